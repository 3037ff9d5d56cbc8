//! From a message to text: no white space that nobody asked for, and the same bytes every time.

use alloc::{
    string::{String, ToString},
    vec::Vec,
};

use super::super::{
    Element, EncodeError, Identity, Ie, Message, NAMESPACE, ResultIe, Value, ValueType, format_date, is_xml_char,
};
use crate::{codes::Code, ids::Token};

/// The message as a document.
pub(super) fn message(message: &Message) -> Result<Vec<u8>, EncodeError> {
    let mut out = Writer { text: String::with_capacity(512 + 128 * message.results.len()) };
    let name = message.kind.name();
    out.raw(r#"<?xml version="1.0" encoding="UTF-8"?>"#);
    out.start(name, &[("xmlns", NAMESPACE)])?;
    out.leaf("Message-Type", &[], name)?;
    for element in message.kind.elements() {
        out.element(*element, message)?;
    }
    out.end(name);
    Ok(out.text.into_bytes())
}

struct Writer {
    text: String,
}

/// What is written of an element: nothing where it is absent.
fn said<T>(ie: &Ie<T>) -> Result<Option<&T>, EncodeError> {
    match ie {
        Ie::Absent => Ok(None),
        Ie::Is(value) => Ok(Some(value)),
        Ie::Unusable | Ie::Repeated => Err(EncodeError::Unusable),
    }
}

impl Writer {
    fn element(&mut self, element: Element, message: &Message) -> Result<(), EncodeError> {
        let name = element.name();
        match element {
            Element::MessageId => self.token(name, &message.message_id),
            Element::SpId => self.token(name, &message.sp_id),
            Element::ClientId => self.token(name, &message.client_id),
            Element::PolicyId => self.token(name, &message.policy_id),
            Element::GroupId => self.token(name, &message.group_id),
            Element::Users => self.users(name, &message.users),
            Element::Clients => self.tokens(name, &message.clients),
            Element::Replaces => self.tokens(name, &message.replaces),
            Element::DeviceIdentity => self.identity(name, said(&message.device_identity)?),
            Element::UserIdentity => self.identity(name, said(&message.user_identity)?),
            Element::QueryKey => self.identity(name, said(&message.query_key)?),
            Element::DpeVersion => self.maybe(name, said(&message.dpe_version)?),
            Element::Contact => self.maybe(name, said(&message.contact)?),
            Element::Reason => self.maybe(name, said(&message.reason)?),
            Element::PolicyType => self.maybe(name, said(&message.policy_type)?),
            Element::OffendingType => self.maybe(name, said(&message.offending_type)?),
            Element::SecurityToken => self.maybe(name, said(&message.security_token)?.map(|secret| &secret.0)),
            Element::Duration => self.maybe(name, said(&message.duration)?.map(ToString::to_string).as_ref()),
            Element::Sequence => self.maybe(name, said(&message.sequence)?.map(ToString::to_string).as_ref()),
            Element::Timestamp => self.maybe(name, said(&message.timestamp)?.map(|date| format_date(*date)).as_ref()),
            Element::Status => said(&message.status)?.map_or(Ok(()), |code| self.code(name, *code)),
            Element::PropertyName => {
                for property in &message.property_names {
                    let property = said(property)?.ok_or(EncodeError::Unusable)?;
                    self.leaf(name, &[], property.as_str())?;
                }
                Ok(())
            }
            Element::PolicyParameter => {
                for parameter in &message.parameters {
                    self.leaf(name, &[("name", &parameter.name)], &parameter.value)?;
                }
                Ok(())
            }
            Element::PropertyResult => message.results.iter().try_for_each(|result| self.result(name, result)),
        }
    }

    fn result(&mut self, name: &str, result: &ResultIe) -> Result<(), EncodeError> {
        self.start(name, &[])?;
        if let Some(property) = said(&result.name)? {
            self.leaf("Property-Name", &[], property.as_str())?;
        }
        if let Some(code) = said(&result.status)? {
            self.leaf("Property-Status", &[], &code.to_string())?;
        }
        for value in said(&result.values)?.into_iter().flatten() {
            self.value(value)?;
        }
        self.end(name);
        Ok(())
    }

    fn value(&mut self, value: &Value) -> Result<(), EncodeError> {
        match value.kind {
            ValueType::String => self.leaf("Value", &[], &value.text),
            kind => self.leaf("Value", &[("type", kind.name())], &value.text),
        }
    }

    fn code(&mut self, name: &str, code: Code) -> Result<(), EncodeError> {
        let text = code.identifier().filter(|_| !code.is_ok());
        match text {
            Some(text) => self.leaf(name, &[("text", text)], &code.to_string()),
            None => self.leaf(name, &[], &code.to_string()),
        }
    }

    fn token(&mut self, name: &str, token: &Ie<Token>) -> Result<(), EncodeError> {
        said(token)?.map_or(Ok(()), |token| self.leaf(name, &[], token.as_str()))
    }

    fn tokens(&mut self, name: &str, bag: &Ie<Vec<Token>>) -> Result<(), EncodeError> {
        let Some(bag) = said(bag)? else { return Ok(()) };
        self.start(name, &[])?;
        for token in bag {
            self.leaf("Item", &[], token.as_str())?;
        }
        self.end(name);
        Ok(())
    }

    fn users(&mut self, name: &str, bag: &Ie<Vec<Identity>>) -> Result<(), EncodeError> {
        let Some(bag) = said(bag)? else { return Ok(()) };
        self.start(name, &[])?;
        for user in bag {
            self.identity("Item", Some(user))?;
        }
        self.end(name);
        Ok(())
    }

    fn identity(&mut self, name: &str, identity: Option<&Identity>) -> Result<(), EncodeError> {
        identity.map_or(Ok(()), |identity| self.leaf(name, &[("scheme", &identity.scheme)], &identity.text))
    }

    fn maybe(&mut self, name: &str, text: Option<&String>) -> Result<(), EncodeError> {
        text.map_or(Ok(()), |text| self.leaf(name, &[], text))
    }

    fn leaf(&mut self, name: &str, attributes: &[(&str, &str)], text: &str) -> Result<(), EncodeError> {
        self.start(name, attributes)?;
        self.escaped(text)?;
        self.end(name);
        Ok(())
    }

    fn start(&mut self, name: &str, attributes: &[(&str, &str)]) -> Result<(), EncodeError> {
        self.raw("<");
        self.raw(name);
        for (name, value) in attributes {
            self.raw(" ");
            self.raw(name);
            self.raw("=\"");
            self.escaped(value)?;
            self.raw("\"");
        }
        self.raw(">");
        Ok(())
    }

    fn end(&mut self, name: &str) {
        self.raw("</");
        self.raw(name);
        self.raw(">");
    }

    fn raw(&mut self, text: &str) {
        self.text.push_str(text);
    }

    fn escaped(&mut self, text: &str) -> Result<(), EncodeError> {
        for c in text.chars() {
            match c {
                '&' => self.raw("&amp;"),
                '<' => self.raw("&lt;"),
                '>' => self.raw("&gt;"),
                '"' => self.raw("&quot;"),
                // As itself it would be read as a line feed.
                '\r' => self.raw("&#13;"),
                c if is_xml_char(c) => self.text.push(c),
                _ => return Err(EncodeError::BadCharacter),
            }
        }
        Ok(())
    }
}
