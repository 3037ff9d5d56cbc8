//! From the model to events, the same for every encoding, in the element order of the DTD [digest 2.2, 2.3].

use super::{Data, EncodeError, Header, Message, Tag};
use crate::decimal::Decimal;

mod command;
mod common;

/// Takes the elements of one message, in order, and writes them.
pub(super) trait Sink {
    /// Opens an element that has content.
    fn open(&mut self, tag: Tag);

    /// Closes the innermost element, which is this one.
    fn close(&mut self, tag: Tag);

    /// Writes an element without content.
    fn empty(&mut self, tag: Tag);

    /// Writes an element with text and nothing else.
    fn leaf(&mut self, tag: Tag, text: &str) -> Result<(), EncodeError>;

    /// Writes an element with a number and nothing else.
    fn number(&mut self, tag: Tag, number: u64) -> Result<(), EncodeError> {
        self.leaf(tag, Decimal::new(number).as_str())
    }

    /// Writes `Data` with a value.
    fn data(&mut self, data: &Data) -> Result<(), EncodeError>;
}

/// Writes one message.
pub(super) fn message<S: Sink>(sink: &mut S, message: &Message) -> Result<(), EncodeError> {
    let mut writer = Writer { sink };
    writer.within(Tag::SyncMl, |writer| {
        writer.sync_hdr(&message.header)?;
        writer.within(Tag::SyncBody, |writer| {
            writer.commands(&message.commands)?;
            writer.flag(Tag::Final, message.is_final);
            Ok(())
        })
    })
}

/// Writes to a sink.
struct Writer<'s, S> {
    sink: &'s mut S,
}

impl<S: Sink> Writer<'_, S> {
    fn sync_hdr(&mut self, header: &Header) -> Result<(), EncodeError> {
        self.within(Tag::SyncHdr, |writer| {
            writer.text(Tag::VerDtd, &header.ver_dtd)?;
            writer.text(Tag::VerProto, &header.ver_proto)?;
            writer.text(Tag::SessionId, header.session_id.as_str())?;
            writer.number(Tag::MsgId, header.msg_id.0)?;
            writer.location(Tag::Target, &header.target)?;
            writer.location(Tag::Source, &header.source)?;
            writer.text_if(Tag::RespUri, header.resp_uri.as_deref())?;
            writer.flag(Tag::NoResp, header.no_resp);
            writer.cred_if(header.cred.as_deref())?;
            writer.meta_if(header.meta.as_deref())
        })
    }

    /// Writes an element and what `content` puts into it.
    fn within(
        &mut self,
        tag: Tag,
        content: impl FnOnce(&mut Self) -> Result<(), EncodeError>,
    ) -> Result<(), EncodeError> {
        self.sink.open(tag);
        content(self)?;
        self.sink.close(tag);
        Ok(())
    }

    fn text(&mut self, tag: Tag, text: &str) -> Result<(), EncodeError> {
        self.sink.leaf(tag, text)
    }

    fn text_if(&mut self, tag: Tag, text: Option<&str>) -> Result<(), EncodeError> {
        text.map_or(Ok(()), |text| self.text(tag, text))
    }

    fn number(&mut self, tag: Tag, number: impl Into<u64>) -> Result<(), EncodeError> {
        self.sink.number(tag, number.into())
    }

    fn number_if(&mut self, tag: Tag, number: Option<u64>) -> Result<(), EncodeError> {
        number.map_or(Ok(()), |number| self.number(tag, number))
    }

    fn data_if(&mut self, data: Option<&Data>) -> Result<(), EncodeError> {
        data.map_or(Ok(()), |data| self.sink.data(data))
    }

    fn flag(&mut self, tag: Tag, is_set: bool) {
        if is_set {
            self.sink.empty(tag);
        }
    }
}
