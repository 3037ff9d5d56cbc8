//! Commands.

use alloc::{boxed::Box, vec::Vec};

use super::{Reader, required};
use crate::{
    codes::{AlertCode, StatusCode},
    wire::{
        Alert, Block, Command, DecodeErrorKind as Kind, Delete, Edit, Exec, Get, Map, MapItem, Refs, Results, Search,
        Status, Sync, Tag, source::Source,
    },
};

impl<'a, S: Source<'a>> Reader<'a, S> {
    /// Reads the element that was just opened if it is a command, and passes over it if not.
    ///
    /// `Atomic`, `Sequence` and `Sync` come back here for what is in them. That is bounded by the depth of elements,
    /// which the source never lets go beyond a small number.
    pub(super) fn command_or_skip(&mut self, tag: Tag, commands: &mut Vec<Command>) -> Result<(), Kind> {
        let read: fn(&mut Self) -> Result<Command, Kind> = match tag {
            Tag::Add => |reader| reader.edit().map(Command::Add),
            Tag::Alert => |reader| reader.alert().map(Command::Alert),
            Tag::Atomic => |reader| reader.block().map(Command::Atomic),
            Tag::Copy => |reader| reader.edit().map(Command::Copy),
            Tag::Delete => |reader| reader.delete().map(Command::Delete),
            Tag::Exec => |reader| reader.exec().map(Command::Exec),
            Tag::Get => |reader| reader.get().map(Command::Get),
            Tag::Map => |reader| reader.map().map(Box::new).map(Command::Map),
            Tag::Move => |reader| reader.edit().map(Command::Move),
            Tag::Put => |reader| reader.get().map(Command::Put),
            Tag::Replace => |reader| reader.edit().map(Command::Replace),
            Tag::Results => |reader| reader.results().map(Command::Results),
            Tag::Search => |reader| reader.search().map(Box::new).map(Command::Search),
            Tag::Sequence => |reader| reader.block().map(Command::Sequence),
            Tag::Status => |reader| reader.status().map(Command::Status),
            Tag::Sync => |reader| reader.sync().map(Box::new).map(Command::Sync),
            _ => return self.skip(),
        };
        if self.commands >= self.commands_max {
            return Err(Kind::TooManyCommands);
        }
        self.commands += 1;
        commands.push(read(self)?);
        Ok(())
    }

    fn edit(&mut self) -> Result<Edit, Kind> {
        let (mut edit, mut cmd_id) = (Edit::default(), None);
        while let Some(tag) = self.child()? {
            match tag {
                Tag::CmdId => self.once(&mut cmd_id, Self::token)?,
                Tag::NoResp => self.flag(&mut edit.no_resp)?,
                Tag::Cred => self.once(&mut edit.cred, Self::boxed_cred)?,
                Tag::Meta => self.once(&mut edit.meta, Self::boxed_meta)?,
                Tag::Item => self.next_item(&mut edit.items)?,
                _ => self.skip()?,
            }
        }
        edit.cmd_id = required(cmd_id, Tag::CmdId)?;
        Ok(edit)
    }

    fn delete(&mut self) -> Result<Delete, Kind> {
        let (mut delete, mut cmd_id) = (Delete::default(), None);
        while let Some(tag) = self.child()? {
            match tag {
                Tag::CmdId => self.once(&mut cmd_id, Self::token)?,
                Tag::NoResp => self.flag(&mut delete.no_resp)?,
                Tag::Archive => self.flag(&mut delete.archive)?,
                Tag::SftDel => self.flag(&mut delete.soft)?,
                Tag::Cred => self.once(&mut delete.cred, Self::boxed_cred)?,
                Tag::Meta => self.once(&mut delete.meta, Self::boxed_meta)?,
                Tag::Item => self.next_item(&mut delete.items)?,
                _ => self.skip()?,
            }
        }
        delete.cmd_id = required(cmd_id, Tag::CmdId)?;
        Ok(delete)
    }

    fn get(&mut self) -> Result<Get, Kind> {
        let (mut get, mut cmd_id) = (Get::default(), None);
        while let Some(tag) = self.child()? {
            match tag {
                Tag::CmdId => self.once(&mut cmd_id, Self::token)?,
                Tag::NoResp => self.flag(&mut get.no_resp)?,
                Tag::Lang => self.once(&mut get.lang, Self::token)?,
                Tag::Cred => self.once(&mut get.cred, Self::boxed_cred)?,
                Tag::Meta => self.once(&mut get.meta, Self::boxed_meta)?,
                Tag::Item => self.next_item(&mut get.items)?,
                _ => self.skip()?,
            }
        }
        get.cmd_id = required(cmd_id, Tag::CmdId)?;
        Ok(get)
    }

    fn exec(&mut self) -> Result<Exec, Kind> {
        let (mut exec, mut cmd_id) = (Exec::default(), None);
        while let Some(tag) = self.child()? {
            match tag {
                Tag::CmdId => self.once(&mut cmd_id, Self::token)?,
                Tag::NoResp => self.flag(&mut exec.no_resp)?,
                Tag::Cred => self.once(&mut exec.cred, Self::boxed_cred)?,
                Tag::Meta => self.once(&mut exec.meta, Self::boxed_meta)?,
                Tag::Correlator => self.once(&mut exec.correlator, Self::verbatim)?,
                Tag::Item => self.next_item(&mut exec.items)?,
                _ => self.skip()?,
            }
        }
        exec.cmd_id = required(cmd_id, Tag::CmdId)?;
        Ok(exec)
    }

    fn alert(&mut self) -> Result<Alert, Kind> {
        let (mut alert, mut cmd_id) = (Alert::default(), None);
        while let Some(tag) = self.child()? {
            match tag {
                Tag::CmdId => self.once(&mut cmd_id, Self::token)?,
                Tag::NoResp => self.flag(&mut alert.no_resp)?,
                Tag::Cred => self.once(&mut alert.cred, Self::boxed_cred)?,
                Tag::Data => self.once(&mut alert.code, |reader| reader.number().map(AlertCode))?,
                Tag::Correlator => self.once(&mut alert.correlator, Self::verbatim)?,
                Tag::Item => self.next_item(&mut alert.items)?,
                _ => self.skip()?,
            }
        }
        alert.cmd_id = required(cmd_id, Tag::CmdId)?;
        Ok(alert)
    }

    fn block(&mut self) -> Result<Block, Kind> {
        let (mut block, mut cmd_id) = (Block::default(), None);
        while let Some(tag) = self.child()? {
            match tag {
                Tag::CmdId => self.once(&mut cmd_id, Self::token)?,
                Tag::NoResp => self.flag(&mut block.no_resp)?,
                Tag::Meta => self.once(&mut block.meta, Self::boxed_meta)?,
                _ => self.command_or_skip(tag, &mut block.commands)?,
            }
        }
        block.cmd_id = required(cmd_id, Tag::CmdId)?;
        Ok(block)
    }

    fn results(&mut self) -> Result<Results, Kind> {
        let (mut results, mut cmd_ref) = (Results::default(), None);
        while let Some(tag) = self.child()? {
            match tag {
                Tag::CmdId => self.once(&mut results.cmd_id, Self::token)?,
                Tag::MsgRef => self.once(&mut results.msg_ref, Self::msg_id)?,
                Tag::CmdRef => self.once(&mut cmd_ref, Self::token)?,
                Tag::Cmd => self.once(&mut results.cmd, Self::token)?,
                Tag::Meta => self.once(&mut results.meta, Self::boxed_meta)?,
                Tag::TargetRef => self.once(&mut results.target_ref, Self::token)?,
                Tag::SourceRef => self.once(&mut results.source_ref, Self::token)?,
                Tag::Item => self.next_item(&mut results.items)?,
                _ => self.skip()?,
            }
        }
        results.cmd_ref = required(cmd_ref, Tag::CmdRef)?;
        Ok(results)
    }

    fn status(&mut self) -> Result<Status, Kind> {
        let (mut cmd_id, mut msg_ref, mut cmd_ref, mut cmd) = (None, None, None, None);
        let (mut target_refs, mut source_refs, mut items) = (Refs::default(), Refs::default(), Vec::new());
        let (mut cred, mut chal, mut code) = (None, None, None);
        while let Some(tag) = self.child()? {
            match tag {
                Tag::CmdId => self.once(&mut cmd_id, Self::token)?,
                Tag::MsgRef => self.once(&mut msg_ref, Self::msg_id)?,
                Tag::CmdRef => self.once(&mut cmd_ref, Self::token)?,
                Tag::Cmd => self.once(&mut cmd, Self::token)?,
                Tag::TargetRef => target_refs.push(self.token()?),
                Tag::SourceRef => source_refs.push(self.token()?),
                Tag::Cred => self.once(&mut cred, Self::boxed_cred)?,
                Tag::Chal => self.once(&mut chal, Self::boxed_chal)?,
                Tag::Data => self.once(&mut code, |reader| reader.number().map(StatusCode))?,
                Tag::Item => self.next_item(&mut items)?,
                _ => self.skip()?,
            }
        }
        let msg_ref = required(msg_ref, Tag::MsgRef)?;
        let cmd = required(cmd, Tag::Cmd)?;
        let code = required(code, Tag::Data)?;
        Ok(Status { cmd_id, msg_ref, cmd_ref, cmd, target_refs, source_refs, cred, chal, code, items })
    }

    fn sync(&mut self) -> Result<Sync, Kind> {
        let (mut sync, mut cmd_id) = (Sync::default(), None);
        while let Some(tag) = self.child()? {
            match tag {
                Tag::CmdId => self.once(&mut cmd_id, Self::token)?,
                Tag::NoResp => self.flag(&mut sync.no_resp)?,
                Tag::Cred => self.once(&mut sync.cred, Self::boxed_cred)?,
                Tag::Target => self.once(&mut sync.target, Self::location)?,
                Tag::Source => self.once(&mut sync.source, Self::location)?,
                Tag::Meta => self.once(&mut sync.meta, Self::boxed_meta)?,
                Tag::NumberOfChanges => self.once(&mut sync.number_of_changes, Self::number)?,
                _ => self.command_or_skip(tag, &mut sync.commands)?,
            }
        }
        sync.cmd_id = required(cmd_id, Tag::CmdId)?;
        Ok(sync)
    }

    fn map(&mut self) -> Result<Map, Kind> {
        let (mut map, mut cmd_id) = (Map::default(), None);
        while let Some(tag) = self.child()? {
            match tag {
                Tag::CmdId => self.once(&mut cmd_id, Self::token)?,
                Tag::Target => self.once(&mut map.target, Self::location)?,
                Tag::Source => self.once(&mut map.source, Self::location)?,
                Tag::Cred => self.once(&mut map.cred, Self::boxed_cred)?,
                Tag::Meta => self.once(&mut map.meta, Self::boxed_meta)?,
                Tag::MapItem => map.items.push(self.map_item()?),
                _ => self.skip()?,
            }
        }
        map.cmd_id = required(cmd_id, Tag::CmdId)?;
        Ok(map)
    }

    fn map_item(&mut self) -> Result<MapItem, Kind> {
        let (mut target, mut source) = (None, None);
        while let Some(tag) = self.child()? {
            match tag {
                Tag::Target => self.once(&mut target, Self::location)?,
                Tag::Source => self.once(&mut source, Self::location)?,
                _ => self.skip()?,
            }
        }
        Ok(MapItem { target: required(target, Tag::Target)?, source: required(source, Tag::Source)? })
    }

    fn search(&mut self) -> Result<Search, Kind> {
        let (mut search, mut cmd_id) = (Search::default(), None);
        while let Some(tag) = self.child()? {
            match tag {
                Tag::CmdId => self.once(&mut cmd_id, Self::token)?,
                Tag::NoResp => self.flag(&mut search.no_resp)?,
                Tag::NoResults => self.flag(&mut search.no_results)?,
                Tag::Cred => self.once(&mut search.cred, Self::boxed_cred)?,
                Tag::Target => self.once(&mut search.target, Self::location)?,
                Tag::Source => search.sources.push(self.location()?),
                Tag::Lang => self.once(&mut search.lang, Self::token)?,
                Tag::Meta => self.once(&mut search.meta, Self::boxed_meta)?,
                Tag::Data => self.once(&mut search.data, |reader| reader.source.data())?,
                _ => self.skip()?,
            }
        }
        search.cmd_id = required(cmd_id, Tag::CmdId)?;
        Ok(search)
    }
}
