//! The first item of a UI alert: `NAME=value` pairs joined by `&`, URL-encoded [DM 1.2, 10.3].

use alloc::{
    format,
    string::{String, ToString},
    vec::Vec,
};
use core::{fmt, num::NonZeroU32};

use super::{Choice, Echo, InputType, Parameter, Prompt, PromptFault, Wanted};

impl Parameter {
    const ALL: [(&'static str, Self); 6] = [
        ("MINDT", Self::MinDt),
        ("MAXDT", Self::MaxDt),
        ("DR", Self::Dr),
        ("MAXLEN", Self::MaxLen),
        ("IT", Self::It),
        ("ET", Self::Et),
    ];

    /// Its name on the wire.
    #[must_use]
    pub fn name(self) -> &'static str {
        Self::ALL.iter().find(|(_, parameter)| *parameter == self).map_or("", |(name, _)| name)
    }
}

impl fmt::Display for Parameter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

const INPUT_TYPES: [(&str, InputType); 6] = [
    ("A", InputType::Alphanumeric),
    ("N", InputType::Numeric),
    ("D", InputType::Date),
    ("T", InputType::Time),
    ("P", InputType::Phone),
    ("I", InputType::Ipv4),
];

const ECHOES: [(&str, Echo); 2] = [("T", Echo::Text), ("P", Echo::Password)];

/// The parameters as they are sent; those that say what is the case anyway are left out.
pub(super) fn write(prompt: &Prompt) -> String {
    let mut pairs = Vec::new();
    let mut pair = |parameter: Parameter, value: String| {
        pairs.push(format!("{}={}", parameter.name(), url_encoded(&value)));
    };
    if let Some(seconds) = prompt.shown_s_min {
        pair(Parameter::MinDt, seconds.to_string());
    }
    if let Some(seconds) = prompt.waited_s_max {
        pair(Parameter::MaxDt, seconds.to_string());
    }
    match &prompt.wanted {
        Wanted::Attention => {}
        Wanted::Consent { default } => {
            if let Some(yes) = default {
                pair(Parameter::Dr, u8::from(*yes).to_string());
            }
        }
        Wanted::Text { default, chars_max, input, echo } => {
            if let Some(text) = default {
                pair(Parameter::Dr, text.clone());
            }
            if let Some(chars) = chars_max {
                pair(Parameter::MaxLen, chars.to_string());
            }
            if *input != InputType::default() {
                pair(Parameter::It, letter(&INPUT_TYPES, *input));
            }
            if *echo != Echo::default() {
                pair(Parameter::Et, letter(&ECHOES, *echo));
            }
        }
        Wanted::One { default, .. } => {
            if let Some(choice) = default {
                pair(Parameter::Dr, choice.0.to_string());
            }
        }
        Wanted::Any { default, .. } => {
            if !default.is_empty() {
                let numbers: Vec<String> = default.iter().map(|choice| choice.0.to_string()).collect();
                pair(Parameter::Dr, numbers.join("-"));
            }
        }
    }
    pairs.join("&")
}

/// Reads the parameters that the prompt has a use for.
pub(super) fn read(text: &str, prompt: &mut Prompt) -> Result<(), PromptFault> {
    let mut seen = Vec::new();
    for pair in text.split('&') {
        let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
        let Some((_, parameter)) = Parameter::ALL.iter().find(|(known, _)| *known == name.trim()) else { continue };
        let bad = PromptFault::BadParameter(*parameter);
        if seen.contains(parameter) {
            return Err(bad);
        }
        seen.push(*parameter);
        let value = url_decoded(value).ok_or(bad)?;
        take(*parameter, &value, prompt).ok_or(bad)?;
    }
    Ok(())
}

/// Nothing if the value is none that the parameter can have.
fn take(parameter: Parameter, value: &str, prompt: &mut Prompt) -> Option<()> {
    match (parameter, &mut prompt.wanted) {
        (Parameter::MinDt, _) => prompt.shown_s_min = Some(positive(value)?),
        (Parameter::MaxDt, _) => prompt.waited_s_max = Some(positive(value)?),
        (Parameter::Dr, Wanted::Consent { default }) => {
            *default = match value {
                "0" => Some(false),
                "1" => Some(true),
                _ => return None,
            };
        }
        (Parameter::Dr, Wanted::Text { default, .. }) => *default = Some(value.into()),
        (Parameter::Dr, Wanted::One { default, .. }) => *default = Some(Choice::parse(value)?),
        (Parameter::Dr, Wanted::Any { default, .. }) => {
            *default = value.split('-').map(Choice::parse).collect::<Option<_>>()?;
        }
        (Parameter::MaxLen, Wanted::Text { chars_max, .. }) => *chars_max = Some(positive(value)?),
        (Parameter::It, Wanted::Text { input, .. }) => *input = lettered(&INPUT_TYPES, value)?,
        (Parameter::Et, Wanted::Text { echo, .. }) => *echo = lettered(&ECHOES, value)?,
        (Parameter::Dr | Parameter::MaxLen | Parameter::It | Parameter::Et, _) => {}
    }
    Some(())
}

/// A number that is greater than 0, in digits and nothing else.
pub(super) fn positive(text: &str) -> Option<NonZeroU32> {
    let digits = !text.is_empty() && text.bytes().all(|octet| octet.is_ascii_digit());
    if digits { text.parse().ok() } else { None }
}

fn letter<T: Copy + PartialEq>(names: &[(&str, T)], value: T) -> String {
    names.iter().find(|(_, known)| *known == value).map(|(name, _)| String::from(*name)).unwrap_or_default()
}

fn lettered<T: Copy>(names: &[(&str, T)], text: &str) -> Option<T> {
    names.iter().find(|(name, _)| *name == text).map(|(_, value)| *value)
}

/// Octets other than letters, digits and `-._~` as `%XX`; a space as `+`.
fn url_encoded(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for octet in text.bytes() {
        match octet {
            b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' => out.push(char::from(octet)),
            b' ' => out.push('+'),
            _ => {
                let digit = |half: u8| char::from_digit(u32::from(half), 16).unwrap_or('0').to_ascii_uppercase();
                out.extend(['%', digit(octet >> 4), digit(octet & 0xf)]);
            }
        }
    }
    out
}

/// Nothing if a `%` has no two digits behind it, or the octets are no UTF-8.
fn url_decoded(text: &str) -> Option<String> {
    let mut out = Vec::with_capacity(text.len());
    let mut octets = text.bytes();
    while let Some(octet) = octets.next() {
        out.push(match octet {
            b'+' => b' ',
            b'%' => {
                let mut digit = || char::from(octets.next()?).to_digit(16).and_then(|digit| u8::try_from(digit).ok());
                digit()? << 4 | digit()?
            }
            _ => octet,
        });
    }
    String::from_utf8(out).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_are_url_encoded_and_read_back() {
        for (text, encoded) in [("a b", "a+b"), ("50% & more=", "50%25+%26+more%3D"), ("Grüße", "Gr%C3%BC%C3%9Fe")] {
            assert_eq!(url_encoded(text), encoded);
            assert_eq!(url_decoded(encoded).as_deref(), Some(text));
        }
        for broken in ["%", "%2", "%zz", "%FF", "a%C3b"] {
            assert_eq!(url_decoded(broken), None, "{broken}");
        }
    }

    #[test]
    fn a_number_is_digits_and_more_than_nothing() {
        assert_eq!(positive("10"), NonZeroU32::new(10));
        for bad in ["", "0", "-1", "+1", " 1", "1.0", "4294967296", "99999999999999999999"] {
            assert_eq!(positive(bad), None, "{bad}");
        }
    }
}
