//! Elements that commands and the header share.

use super::{Sink, Writer};
use crate::wire::{Anchor, Chal, Cred, EncodeError, Filter, Item, Location, Memory, Meta, Tag};

impl<S: Sink> Writer<'_, S> {
    pub(super) fn location(&mut self, tag: Tag, location: &Location) -> Result<(), EncodeError> {
        self.within(tag, |writer| {
            writer.text(Tag::LocUri, &location.uri)?;
            writer.text_if(Tag::LocName, location.name.as_deref())?;
            location.filter.as_ref().map_or(Ok(()), |filter| writer.filter(filter))
        })
    }

    pub(super) fn location_if(&mut self, tag: Tag, location: Option<&Location>) -> Result<(), EncodeError> {
        location.map_or(Ok(()), |location| self.location(tag, location))
    }

    fn filter(&mut self, filter: &Filter) -> Result<(), EncodeError> {
        self.within(Tag::Filter, |writer| {
            writer.meta_if(filter.meta.as_ref())?;
            for (tag, item) in [(Tag::Field, &filter.field), (Tag::Record, &filter.record)] {
                if let Some(item) = item {
                    writer.within(tag, |writer| writer.item(item))?;
                }
            }
            writer.text_if(Tag::FilterType, filter.filter_type.as_deref())
        })
    }

    pub(super) fn items(&mut self, items: &[Item]) -> Result<(), EncodeError> {
        items.iter().try_for_each(|item| self.item(item))
    }

    fn item(&mut self, item: &Item) -> Result<(), EncodeError> {
        self.within(Tag::Item, |writer| {
            writer.location_if(Tag::Target, item.target.as_ref())?;
            writer.location_if(Tag::Source, item.source.as_ref())?;
            for (tag, uri) in [(Tag::SourceParent, &item.source_parent), (Tag::TargetParent, &item.target_parent)] {
                if let Some(uri) = uri {
                    writer.within(tag, |writer| writer.text(Tag::LocUri, uri))?;
                }
            }
            writer.meta_if(item.meta.as_deref())?;
            writer.data_if(item.data.as_ref())?;
            writer.flag(Tag::MoreData, item.more_data);
            Ok(())
        })
    }

    pub(super) fn cred_if(&mut self, cred: Option<&Cred>) -> Result<(), EncodeError> {
        let Some(cred) = cred else { return Ok(()) };
        self.within(Tag::Cred, |writer| {
            writer.meta_if(cred.meta.as_ref())?;
            writer.text(Tag::Data, cred.data.reveal())
        })
    }

    pub(super) fn chal_if(&mut self, chal: Option<&Chal>) -> Result<(), EncodeError> {
        let Some(chal) = chal else { return Ok(()) };
        self.within(Tag::Chal, |writer| writer.meta_if(Some(&chal.meta)))
    }

    /// `Meta` with its children directly inside, as nearly all peers write it.
    pub(super) fn meta_if(&mut self, meta: Option<&Meta>) -> Result<(), EncodeError> {
        let Some(meta) = meta else { return Ok(()) };
        self.within(Tag::Meta, |writer| {
            writer.flag(Tag::FieldLevel, meta.field_level);
            writer.text_if(Tag::Format, meta.format.as_ref().map(crate::wire::Format::as_str))?;
            writer.text_if(Tag::Type, meta.media_type.as_deref())?;
            writer.text_if(Tag::Mark, meta.mark.as_deref())?;
            writer.number_if(Tag::Size, meta.size)?;
            writer.anchor_if(meta.anchor.as_deref())?;
            writer.text_if(Tag::Version, meta.version.as_deref())?;
            writer.text_if(Tag::NextNonce, meta.next_nonce.as_ref().map(crate::wire::Secret::reveal))?;
            writer.number_if(Tag::MaxMsgSize, meta.max_msg_size)?;
            writer.number_if(Tag::MaxObjSize, meta.max_obj_size)?;
            meta.emi.iter().try_for_each(|emi| writer.text(Tag::Emi, emi))?;
            writer.memory_if(meta.memory.as_deref())
        })
    }

    fn anchor_if(&mut self, anchor: Option<&Anchor>) -> Result<(), EncodeError> {
        let Some(anchor) = anchor else { return Ok(()) };
        self.within(Tag::Anchor, |writer| {
            writer.text_if(Tag::Last, anchor.last.as_deref())?;
            writer.text(Tag::Next, &anchor.next)
        })
    }

    fn memory_if(&mut self, memory: Option<&Memory>) -> Result<(), EncodeError> {
        let Some(memory) = memory else { return Ok(()) };
        self.within(Tag::Mem, |writer| {
            writer.flag(Tag::SharedMem, memory.shared);
            writer.number(Tag::FreeMem, memory.free_bytes)?;
            writer.number(Tag::FreeId, memory.free_ids)
        })
    }
}
