//! Commands.

use super::{Sink, Writer};
use crate::{
    ids::{CmdId, MsgId},
    wire::{
        Alert, Block, Command, Delete, Edit, EncodeError, Exec, Get, Map, MapItem, Results, Search, Status, Sync, Tag,
    },
};

impl<S: Sink> Writer<'_, S> {
    pub(super) fn commands(&mut self, commands: &[Command]) -> Result<(), EncodeError> {
        commands.iter().try_for_each(|command| self.command(command))
    }

    fn command(&mut self, command: &Command) -> Result<(), EncodeError> {
        match command {
            Command::Add(edit) => self.edit(Tag::Add, edit),
            Command::Alert(alert) => self.alert(alert),
            Command::Atomic(block) => self.block(Tag::Atomic, block),
            Command::Copy(edit) => self.edit(Tag::Copy, edit),
            Command::Delete(delete) => self.delete(delete),
            Command::Exec(exec) => self.exec(exec),
            Command::Get(get) => self.get(Tag::Get, get),
            Command::Map(map) => self.map(map),
            Command::Move(edit) => self.edit(Tag::Move, edit),
            Command::Put(get) => self.get(Tag::Put, get),
            Command::Replace(edit) => self.edit(Tag::Replace, edit),
            Command::Results(results) => self.results(results),
            Command::Search(search) => self.search(search),
            Command::Sequence(block) => self.block(Tag::Sequence, block),
            Command::Status(status) => self.status(status),
            Command::Sync(sync) => self.sync(sync),
        }
    }

    fn cmd_id(&mut self, cmd_id: &CmdId) -> Result<(), EncodeError> {
        self.text(Tag::CmdId, cmd_id.as_str())
    }

    fn edit(&mut self, tag: Tag, edit: &Edit) -> Result<(), EncodeError> {
        self.within(tag, |writer| {
            writer.cmd_id(&edit.cmd_id)?;
            writer.flag(Tag::NoResp, edit.no_resp);
            writer.cred_if(edit.cred.as_deref())?;
            writer.meta_if(edit.meta.as_deref())?;
            writer.items(&edit.items)
        })
    }

    fn delete(&mut self, delete: &Delete) -> Result<(), EncodeError> {
        self.within(Tag::Delete, |writer| {
            writer.cmd_id(&delete.cmd_id)?;
            writer.flag(Tag::NoResp, delete.no_resp);
            writer.flag(Tag::Archive, delete.archive);
            writer.flag(Tag::SftDel, delete.soft);
            writer.cred_if(delete.cred.as_deref())?;
            writer.meta_if(delete.meta.as_deref())?;
            writer.items(&delete.items)
        })
    }

    fn get(&mut self, tag: Tag, get: &Get) -> Result<(), EncodeError> {
        self.within(tag, |writer| {
            writer.cmd_id(&get.cmd_id)?;
            writer.flag(Tag::NoResp, get.no_resp);
            writer.text_if(Tag::Lang, get.lang.as_deref())?;
            writer.cred_if(get.cred.as_deref())?;
            writer.meta_if(get.meta.as_deref())?;
            writer.items(&get.items)
        })
    }

    fn exec(&mut self, exec: &Exec) -> Result<(), EncodeError> {
        self.within(Tag::Exec, |writer| {
            writer.cmd_id(&exec.cmd_id)?;
            writer.flag(Tag::NoResp, exec.no_resp);
            writer.cred_if(exec.cred.as_deref())?;
            writer.meta_if(exec.meta.as_deref())?;
            writer.text_if(Tag::Correlator, exec.correlator.as_deref())?;
            writer.items(&exec.items)
        })
    }

    fn alert(&mut self, alert: &Alert) -> Result<(), EncodeError> {
        self.within(Tag::Alert, |writer| {
            writer.cmd_id(&alert.cmd_id)?;
            writer.flag(Tag::NoResp, alert.no_resp);
            writer.cred_if(alert.cred.as_deref())?;
            writer.number_if(Tag::Data, alert.code.map(|code| code.0.into()))?;
            writer.text_if(Tag::Correlator, alert.correlator.as_deref())?;
            writer.items(&alert.items)
        })
    }

    fn block(&mut self, tag: Tag, block: &Block) -> Result<(), EncodeError> {
        self.within(tag, |writer| {
            writer.cmd_id(&block.cmd_id)?;
            writer.flag(Tag::NoResp, block.no_resp);
            writer.meta_if(block.meta.as_deref())?;
            writer.commands(&block.commands)
        })
    }

    /// `Cmd` is not in the schema; it goes where those clients put it that send it.
    fn results(&mut self, results: &Results) -> Result<(), EncodeError> {
        self.within(Tag::Results, |writer| {
            writer.text_if(Tag::CmdId, results.cmd_id.as_ref().map(CmdId::as_str))?;
            writer.msg_ref_if(results.msg_ref)?;
            writer.text(Tag::CmdRef, results.cmd_ref.as_str())?;
            writer.text_if(Tag::Cmd, results.cmd.as_deref())?;
            writer.meta_if(results.meta.as_deref())?;
            writer.text_if(Tag::TargetRef, results.target_ref.as_deref())?;
            writer.text_if(Tag::SourceRef, results.source_ref.as_deref())?;
            writer.items(&results.items)
        })
    }

    fn status(&mut self, status: &Status) -> Result<(), EncodeError> {
        self.within(Tag::Status, |writer| {
            writer.text_if(Tag::CmdId, status.cmd_id.as_ref().map(CmdId::as_str))?;
            writer.msg_ref_if(Some(status.msg_ref))?;
            writer.text_if(Tag::CmdRef, status.cmd_ref.as_ref().map(CmdId::as_str))?;
            writer.text(Tag::Cmd, &status.cmd)?;
            status.target_refs.iter().try_for_each(|uri| writer.text(Tag::TargetRef, uri))?;
            status.source_refs.iter().try_for_each(|uri| writer.text(Tag::SourceRef, uri))?;
            writer.cred_if(status.cred.as_deref())?;
            writer.chal_if(status.chal.as_deref())?;
            writer.number(Tag::Data, status.code.0)?;
            writer.items(&status.items)
        })
    }

    fn msg_ref_if(&mut self, msg_ref: Option<MsgId>) -> Result<(), EncodeError> {
        self.number_if(Tag::MsgRef, msg_ref.map(|msg_ref| msg_ref.0.into()))
    }

    fn sync(&mut self, sync: &Sync) -> Result<(), EncodeError> {
        self.within(Tag::Sync, |writer| {
            writer.cmd_id(&sync.cmd_id)?;
            writer.flag(Tag::NoResp, sync.no_resp);
            writer.cred_if(sync.cred.as_deref())?;
            writer.location_if(Tag::Target, sync.target.as_ref())?;
            writer.location_if(Tag::Source, sync.source.as_ref())?;
            writer.meta_if(sync.meta.as_deref())?;
            writer.number_if(Tag::NumberOfChanges, sync.number_of_changes)?;
            writer.commands(&sync.commands)
        })
    }

    fn map(&mut self, map: &Map) -> Result<(), EncodeError> {
        self.within(Tag::Map, |writer| {
            writer.cmd_id(&map.cmd_id)?;
            writer.location_if(Tag::Target, map.target.as_ref())?;
            writer.location_if(Tag::Source, map.source.as_ref())?;
            writer.cred_if(map.cred.as_deref())?;
            writer.meta_if(map.meta.as_deref())?;
            map.items.iter().try_for_each(|item| writer.map_item(item))
        })
    }

    fn map_item(&mut self, item: &MapItem) -> Result<(), EncodeError> {
        self.within(Tag::MapItem, |writer| {
            writer.location(Tag::Target, &item.target)?;
            writer.location(Tag::Source, &item.source)
        })
    }

    fn search(&mut self, search: &Search) -> Result<(), EncodeError> {
        self.within(Tag::Search, |writer| {
            writer.cmd_id(&search.cmd_id)?;
            writer.flag(Tag::NoResp, search.no_resp);
            writer.flag(Tag::NoResults, search.no_results);
            writer.cred_if(search.cred.as_deref())?;
            writer.location_if(Tag::Target, search.target.as_ref())?;
            search.sources.iter().try_for_each(|source| writer.location(Tag::Source, source))?;
            writer.text_if(Tag::Lang, search.lang.as_deref())?;
            writer.meta_if(search.meta.as_deref())?;
            writer.data_if(search.data.as_ref())
        })
    }
}
