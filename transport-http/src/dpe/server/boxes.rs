//! What waits for somebody to fetch it, and who waits for something to fetch.

use std::collections::VecDeque;

use core_kit::Body;
use dpe_core::{
    limits::WireLimits,
    wire::{self, Decoded, Kind},
};
use tokio::sync::oneshot;

use super::Answer;

/// `DPE_Error`s that wait for one client.
const ERRORS_MAX: usize = 8;

/// A poll that is open.
#[derive(Debug, Default)]
pub(super) struct Waiter(Option<oneshot::Sender<Answer>>);

impl Waiter {
    /// Another one takes its place, and it ends with nothing [DPE digest H4].
    pub(super) fn replace(&mut self, waiter: oneshot::Sender<Answer>) {
        self.0 = Some(waiter);
    }

    pub(super) fn is_open(&self) -> bool {
        self.0.as_ref().is_some_and(|waiter| !waiter.is_closed())
    }

    /// Hands a message over; gives it back where nobody waits. What was handed over counts as sent, whatever becomes of
    /// the connection [DPE digest H6].
    pub(super) fn hand(&mut self, message: Body) -> Option<Body> {
        let Some(waiter) = self.0.take() else { return Some(message) };
        match waiter.send(Answer::Message(message)) {
            Err(Answer::Message(message)) => Some(message),
            Ok(()) | Err(_) => None,
        }
    }
}

/// What kind of downlink a message is. A new one takes the place of an older one of its class, except errors.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Class {
    /// `DPE_Register_Command`.
    Command,
    /// A request: at most one is out, so that an older one is over or was repeated.
    Request,
    /// `DPE_Error`.
    Error,
}

impl Class {
    pub(super) fn of(body: &Body, limits: &WireLimits) -> Self {
        match wire::decode(body, limits) {
            Ok(Decoded::Message(message)) if message.kind == Kind::RegisterCommand => Self::Command,
            Ok(Decoded::Message(message)) if message.kind.is_request() => Self::Request,
            _ => Self::Error,
        }
    }
}

/// What waits for one client.
#[derive(Debug, Default)]
pub(super) struct Mailbox {
    mail: VecDeque<(Class, Body)>,
    pub(super) poll: Waiter,
    /// A message is on its way to the `Contact`.
    pub(super) is_sending: bool,
    /// Requests that were ever put in: the number of the last one.
    pub(super) requests: u64,
}

impl Mailbox {
    pub(super) fn put(&mut self, class: Class, body: Body) {
        if class == Class::Request {
            self.requests = self.requests.wrapping_add(1);
        }
        if class != Class::Error {
            self.mail.retain(|(other, _)| *other != class);
        } else if self.mail.iter().filter(|(other, _)| *other == Class::Error).count() >= ERRORS_MAX {
            return;
        }
        self.mail.push_back((class, body));
    }

    /// The next message. A request is one only while it is out.
    pub(super) fn take(&mut self, is_waiting: bool) -> Option<(Class, Body)> {
        if !is_waiting {
            self.mail.retain(|(class, _)| *class != Class::Request);
        }
        self.mail.pop_front()
    }

    /// What was not handed over goes back to where it was.
    pub(super) fn put_back(&mut self, class: Class, body: Body) {
        self.mail.push_front((class, body));
    }

    pub(super) fn is_idle(&self) -> bool {
        self.mail.is_empty() && !self.poll.is_open() && !self.is_sending
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn body(text: &str) -> Body {
        Body::from(text.to_owned())
    }

    #[test]
    fn a_newer_request_or_command_takes_the_place_of_the_older() {
        let mut mailbox = Mailbox::default();
        mailbox.put(Class::Request, body("1"));
        mailbox.put(Class::Command, body("c"));
        mailbox.put(Class::Request, body("2"));
        mailbox.put(Class::Command, body("d"));
        let order: Vec<_> = std::iter::from_fn(|| mailbox.take(true)).map(|(_, body)| body).collect();
        assert_eq!(order, [body("2"), body("d")]);
        assert_eq!(mailbox.requests, 2);
        assert!(mailbox.is_idle());
    }

    #[test]
    fn a_request_that_is_over_is_not_handed_out() {
        let mut mailbox = Mailbox::default();
        mailbox.put(Class::Request, body("1"));
        mailbox.put(Class::Error, body("e"));
        assert_eq!(mailbox.take(false), Some((Class::Error, body("e"))));
        assert_eq!(mailbox.take(true), None);
    }

    #[test]
    fn errors_are_bounded() {
        let mut mailbox = Mailbox::default();
        (0..100).for_each(|_| mailbox.put(Class::Error, body("e")));
        assert_eq!(std::iter::from_fn(|| mailbox.take(false)).count(), ERRORS_MAX);
    }

    #[test]
    fn a_second_poll_ends_the_first_and_a_broken_one_gives_back() {
        let mut waiter = Waiter::default();
        let (first, mut at_first) = oneshot::channel();
        let (second, mut at_second) = oneshot::channel();
        waiter.replace(first);
        waiter.replace(second);
        assert!(at_first.try_recv().is_err());
        assert!(waiter.is_open());
        assert_eq!(waiter.hand(body("m")), None);
        assert_eq!(at_second.try_recv().unwrap(), Answer::Message(body("m")));
        let (third, gone) = oneshot::channel();
        waiter.replace(third);
        drop(gone);
        assert!(!waiter.is_open());
        assert_eq!(waiter.hand(body("n")), Some(body("n")));
    }
}
