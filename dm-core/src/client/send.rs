//! From the draft of a message to its bytes.

use alloc::vec::Vec;

use core_kit::Env;

use super::{
    Output, Request, Session,
    apply::told,
    phase::{Draft, Next, Written},
};
use crate::{
    Packet,
    auth::{Scheme, Signature},
    codes::{AlertCode, StatusCode},
    fault::PeerFault,
    session::{Outcome, header_status, number},
    wire::{self, Alert, Command, Cred, Edit, Header, Location, Message, Meta},
};

impl Session {
    /// Writes the message and waits for the reply, or ends the session with it.
    pub(super) fn send(
        &mut self,
        env: &Env,
        draft: Draft,
        signature: Option<&(Scheme, Signature)>,
        out: &mut Vec<Output>,
    ) -> Next {
        let mut message = self.frame(&draft, signature);
        let body = match self.fit(&mut message) {
            Ok(body) => body,
            Err(fault) => return Next::over(Outcome::Failed(fault)),
        };
        self.common.sent = message.header.msg_id;
        self.common.sent_commands = u32::try_from(message.commands.len()).unwrap_or(u32::MAX);
        let packet = Packet::new(self.profile.encoding, body);
        let wants_reply = draft.end.is_none();
        let request = Request { url: self.common.url.clone(), packet, wants_reply };
        self.seal(env, Written { request, issued: draft.issued, end: draft.end }, out)
    }

    fn frame(&self, draft: &Draft, signature: Option<&(Scheme, Signature)>) -> Message {
        let announced = draft.opening.then_some(self.profile.max_msg_size).flatten();
        let header = Header {
            ver_dtd: self.profile.version.ver_dtd().into(),
            ver_proto: self.profile.version.ver_proto().into(),
            session_id: self.common.session.clone(),
            msg_id: self.common.sent.next(),
            target: Location::new(self.common.url.clone()),
            source: Location {
                name: signature.map(|(_, signature)| signature.user.clone()).or(self.name_to_show()),
                ..Location::new(self.profile.device.as_str())
            },
            resp_uri: None,
            no_resp: false,
            cred: signature.map(|(scheme, signature)| Cred::signed(*scheme, signature)),
            meta: announced.map(|size| Meta { max_msg_size: Some(size), ..Meta::default() }),
        };
        let mut commands = Vec::with_capacity(draft.commands.len() + 4);
        let header_status = draft.answering.as_ref().map(|(to, verdict)| header_status(to, verdict.clone()));
        commands.extend(header_status.map(Command::Status));
        commands.extend(draft.commands.iter().cloned());
        if draft.opening {
            commands.push(Command::Alert(Alert::new(self.common.start)));
            let items = self.common.device_info.iter().map(|node| told(node, self.profile.encoding)).collect();
            commands.push(Command::Replace(Edit { items, ..Edit::default() }));
        }
        commands.extend(draft.alert.map(|code| Command::Alert(Alert::new(code))));
        number(&mut commands);
        Message { header, commands, is_final: draft.alert != Some(AlertCode::NEXT_MESSAGE) }
    }

    /// The message's bytes. Where they are more than the server takes, results give way, the largest first, and their
    /// commands get 413.
    fn fit(&self, message: &mut Message) -> Result<Vec<u8>, PeerFault> {
        let bytes_max = self.common.max_msg_size.unwrap_or(self.profile.session.unannounced_bytes_max);
        loop {
            let body = wire::encode(self.profile.encoding, message).map_err(|_| PeerFault::Unanswerable)?;
            if u64::try_from(body.len()).is_ok_and(|bytes| bytes <= bytes_max) {
                return Ok(body);
            }
            let results = message.commands.iter().enumerate().filter_map(|(at, command)| match command {
                Command::Results(results) => {
                    let data = results.items.iter().filter_map(|item| item.data.as_ref());
                    Some((data.map(|data| data.as_bytes().len()).sum::<usize>(), at))
                }
                _ => None,
            });
            let Some((_, at)) = results.max() else { return Err(PeerFault::PeerTooSmall) };
            let Command::Results(dropped) = message.commands.remove(at) else { return Err(PeerFault::PeerTooSmall) };
            for command in &mut message.commands {
                if let Command::Status(status) = command
                    && status.cmd_ref.as_ref() == Some(&dropped.cmd_ref)
                    && status.code.is_success()
                {
                    status.code = StatusCode::TOO_LARGE;
                }
            }
            number(&mut message.commands);
        }
    }
}
