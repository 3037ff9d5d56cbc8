//! Elements that commands and the header share.

use alloc::{boxed::Box, vec::Vec};

use super::{Reader, required, trimmed};
use crate::wire::{
    Anchor, Chal, Cred, DecodeErrorKind as Kind, Filter, Format, Item, Location, Memory, Meta, Tag, source::Source,
};

impl<'a, S: Source<'a>> Reader<'a, S> {
    /// `Target` or `Source`.
    pub(super) fn location(&mut self) -> Result<Location, Kind> {
        let (mut uri, mut name, mut filter) = (None, None, None);
        while let Some(tag) = self.child()? {
            match tag {
                Tag::LocUri => self.once(&mut uri, Self::token)?,
                Tag::LocName => self.once(&mut name, Self::verbatim)?,
                Tag::Filter => self.once(&mut filter, |reader| reader.filter().map(Box::new))?,
                _ => self.skip()?,
            }
        }
        Ok(Location { uri: required(uri, Tag::LocUri)?, name, filter })
    }

    /// `SourceParent` or `TargetParent`.
    fn parent_uri(&mut self) -> Result<Box<str>, Kind> {
        let mut uri = None;
        while let Some(tag) = self.child()? {
            match tag {
                Tag::LocUri => self.once(&mut uri, Self::token)?,
                _ => self.skip()?,
            }
        }
        required(uri, Tag::LocUri)
    }

    fn filter(&mut self) -> Result<Filter, Kind> {
        let mut filter = Filter::default();
        let (mut field, mut record) = (None, None);
        while let Some(tag) = self.child()? {
            match tag {
                Tag::Meta => self.once(&mut filter.meta, Self::meta)?,
                Tag::Field => self.once(&mut field, Self::wrapped_item)?,
                Tag::Record => self.once(&mut record, Self::wrapped_item)?,
                Tag::FilterType => self.once(&mut filter.filter_type, Self::token)?,
                _ => self.skip()?,
            }
        }
        (filter.field, filter.record) = (field.flatten(), record.flatten());
        Ok(filter)
    }

    /// `Field` or `Record`.
    fn wrapped_item(&mut self) -> Result<Option<Item>, Kind> {
        let mut item = None;
        while let Some(tag) = self.child()? {
            match tag {
                Tag::Item => self.once(&mut item, Self::item)?,
                _ => self.skip()?,
            }
        }
        Ok(item)
    }

    /// One more `Item`. Most commands have one and no more, so room is made for one.
    pub(super) fn next_item(&mut self, items: &mut Vec<Item>) -> Result<(), Kind> {
        if items.is_empty() {
            items.reserve_exact(1);
        }
        // It is filled where it stays: to move it there would cost as much as to read half of it.
        items.push(Item::default());
        items.last_mut().map_or(Ok(()), |item| self.fill_item(item))
    }

    fn item(&mut self) -> Result<Item, Kind> {
        let mut item = Item::default();
        self.fill_item(&mut item)?;
        Ok(item)
    }

    fn fill_item(&mut self, item: &mut Item) -> Result<(), Kind> {
        while let Some(tag) = self.child()? {
            match tag {
                Tag::Target => self.once(&mut item.target, Self::location)?,
                Tag::Source => self.once(&mut item.source, Self::location)?,
                Tag::SourceParent => self.once(&mut item.source_parent, Self::parent_uri)?,
                Tag::TargetParent => self.once(&mut item.target_parent, Self::parent_uri)?,
                Tag::Meta => self.once(&mut item.meta, Self::boxed_meta)?,
                Tag::Data => self.once(&mut item.data, |reader| reader.source.data())?,
                Tag::MoreData => self.flag(&mut item.more_data)?,
                _ => self.skip()?,
            }
        }
        Ok(())
    }

    /// `Cred`. Without `Data` it convinces nobody, and does no harm.
    fn cred(&mut self) -> Result<Cred, Kind> {
        let (mut meta, mut data) = (None, None);
        while let Some(tag) = self.child()? {
            match tag {
                Tag::Meta => self.once(&mut meta, Self::meta)?,
                Tag::Data => self.once(&mut data, Self::verbatim)?,
                _ => self.skip()?,
            }
        }
        Ok(Cred { meta, data: data.unwrap_or_default() })
    }

    pub(super) fn boxed_cred(&mut self) -> Result<Box<Cred>, Kind> {
        self.cred().map(Box::new)
    }

    pub(super) fn boxed_meta(&mut self) -> Result<Box<Meta>, Kind> {
        let mut meta = Box::default();
        self.fill_meta(&mut meta)?;
        Ok(meta)
    }

    pub(super) fn boxed_chal(&mut self) -> Result<Box<Chal>, Kind> {
        self.chal().map(Box::new)
    }

    fn chal(&mut self) -> Result<Chal, Kind> {
        let mut meta = None;
        while let Some(tag) = self.child()? {
            match tag {
                Tag::Meta => self.once(&mut meta, Self::meta)?,
                _ => self.skip()?,
            }
        }
        Ok(Chal { meta: meta.unwrap_or_default() })
    }

    fn meta(&mut self) -> Result<Meta, Kind> {
        let mut meta = Meta::default();
        self.fill_meta(&mut meta)?;
        Ok(meta)
    }

    /// `Meta`: its children directly, as in most messages, or inside `MetInf`, or both.
    fn fill_meta(&mut self, meta: &mut Meta) -> Result<(), Kind> {
        let mut wrapped = None;
        while let Some(tag) = self.child()? {
            match tag {
                Tag::MetInf => self.once(&mut wrapped, |reader| reader.met_inf(meta))?,
                _ => self.met_inf_child(meta, tag)?,
            }
        }
        Ok(())
    }

    fn met_inf(&mut self, meta: &mut Meta) -> Result<(), Kind> {
        while let Some(tag) = self.child()? {
            self.met_inf_child(meta, tag)?;
        }
        Ok(())
    }

    fn met_inf_child(&mut self, meta: &mut Meta, tag: Tag) -> Result<(), Kind> {
        match tag {
            Tag::FieldLevel => self.flag(&mut meta.field_level),
            Tag::Format => self.once(&mut meta.format, |reader| reader.with_text(|text| Format::parse(trimmed(text)))),
            Tag::Type => self.once(&mut meta.media_type, Self::token),
            Tag::Mark => self.once(&mut meta.mark, Self::token),
            Tag::Size => self.once(&mut meta.size, Self::number),
            Tag::Anchor => self.once(&mut meta.anchor, |reader| reader.anchor().map(Box::new)),
            Tag::Version => self.once(&mut meta.version, Self::token),
            Tag::NextNonce => self.once(&mut meta.next_nonce, Self::token),
            Tag::MaxMsgSize => self.once(&mut meta.max_msg_size, Self::number),
            Tag::MaxObjSize => self.once(&mut meta.max_obj_size, Self::number),
            Tag::Emi => self.verbatim().map(|emi| meta.emi.push(emi)),
            Tag::Mem => self.once(&mut meta.memory, |reader| reader.memory().map(Box::new)),
            _ => self.skip(),
        }
    }

    fn anchor(&mut self) -> Result<Anchor, Kind> {
        let (mut last, mut next) = (None, None);
        while let Some(tag) = self.child()? {
            match tag {
                Tag::Last => self.once(&mut last, Self::verbatim)?,
                Tag::Next => self.once(&mut next, Self::verbatim)?,
                _ => self.skip()?,
            }
        }
        Ok(Anchor { last, next: required(next, Tag::Next)? })
    }

    fn memory(&mut self) -> Result<Memory, Kind> {
        let (mut shared, mut free_bytes, mut free_ids) = (false, None, None);
        while let Some(tag) = self.child()? {
            match tag {
                Tag::SharedMem => self.flag(&mut shared)?,
                Tag::FreeMem => self.once(&mut free_bytes, Self::number)?,
                Tag::FreeId => self.once(&mut free_ids, Self::number)?,
                _ => self.skip()?,
            }
        }
        let (free_bytes, free_ids) = (required(free_bytes, Tag::FreeMem)?, required(free_ids, Tag::FreeId)?);
        Ok(Memory { shared, free_bytes, free_ids })
    }
}
