//! Properties: what became of one, its number, and the names that a deployment knows [DPE digest 10.1].

use alloc::{vec, vec::Vec};

use serde::{Deserialize, Serialize};

use crate::{
    codes::Code,
    wire::{Ie, PropertyName, ResultIe, Value},
};

/// A property as it was answered.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Reading {
    /// Which.
    pub name: PropertyName,
    /// 0 for a value, 16 for an unknown name, 40 for one that the device has not, 20 for no result.
    pub status: Code,
    /// The value; none unless the status is 0, several for a list.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub values: Vec<Value>,
}

impl Reading {
    /// A property with its value.
    #[must_use]
    pub fn of(name: PropertyName, value: Value) -> Self {
        Self { name, status: Code::OK, values: vec![value] }
    }

    /// A property without a value.
    #[must_use]
    pub const fn without(name: PropertyName, status: Code) -> Self {
        Self { name, status, values: Vec::new() }
    }
}

impl From<&Reading> for ResultIe {
    fn from(reading: &Reading) -> Self {
        let values = if reading.values.is_empty() { Ie::Absent } else { Ie::Is(reading.values.clone()) };
        Self { name: reading.name.clone().into(), status: reading.status.into(), values }
    }
}

/// Reads one result.
///
/// # Errors
/// 15 or 16 for the name, 9 or 10 for the status, 20 for a value that is missing, 21 for one that cannot be read or is not of
/// its type.
pub fn read_result(result: &ResultIe) -> Result<Reading, Code> {
    let name = match &result.name {
        Ie::Is(name) => name.clone(),
        Ie::Absent | Ie::Unusable => return Err(Code::PROPERTY_NAME_MISSING),
        Ie::Repeated => return Err(Code::PROPERTY_NAME_UNKNOWN),
    };
    let status = *result.status.need(Code::STATUS_MISSING, Code::STATUS_ERROR)?;
    if !status.is_valid() {
        return Err(Code::STATUS_ERROR);
    }
    if !status.is_ok() {
        return Ok(Reading::without(name, status));
    }
    let values = result.values.need(Code::RESULT_MISSING, Code::RESULT_UNKNOWN)?.clone();
    if !values.iter().all(|value| value.kind.has(&value.text)) {
        return Err(Code::RESULT_UNKNOWN);
    }
    Ok(Reading { name, status, values })
}

/// A decimal number with up to nine places, exact.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Decimal(i128);

impl Decimal {
    const PLACES: usize = 9;
    /// Digits before the point that are taken.
    const WHOLE_DIGITS_MAX: usize = 18;

    /// The number that the text says: an optional sign, digits, optionally a point and digits. Places after the ninth
    /// are cut off.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let text = text.trim();
        let (negative, digits) = text.strip_prefix('-').map_or((false, text), |digits| (true, digits));
        let digits = if negative { digits } else { digits.strip_prefix('+').unwrap_or(digits) };
        let (whole, part) = digits.split_once('.').unwrap_or((digits, "0"));
        let all_digits = |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
        if !all_digits(whole) || !all_digits(part) || whole.len() > Self::WHOLE_DIGITS_MAX {
            return None;
        }
        let places = part.bytes().chain(core::iter::repeat(b'0')).take(Self::PLACES);
        let number = whole.bytes().chain(places).fold(0_i128, |sum, digit| sum * 10 + i128::from(digit - b'0'));
        Some(Self(if negative { -number } else { number }))
    }

    /// How far two numbers are apart.
    #[must_use]
    pub const fn distance(self, other: Self) -> Self {
        Self((self.0 - other.0).abs())
    }

    /// The sum.
    #[must_use]
    pub const fn plus(self, other: Self) -> Self {
        Self(self.0 + other.0)
    }

    /// The difference.
    #[must_use]
    pub const fn minus(self, other: Self) -> Self {
        Self(self.0 - other.0)
    }

    /// Whether it is below zero.
    #[must_use]
    pub const fn is_negative(self) -> bool {
        self.0 < 0
    }
}

/// The names of the starter vocabulary that SPs may ask for.
pub const STARTER: &[&str] = &[
    "OSName",
    "InstalledSoftwareList",
    "OSVersion",
    "Vendor",
    "Model",
    "ScreenSize",
    "BitsPerPixel",
    "CurrentBearerService",
    "batteryLevel",
    "batteryBeingCharged",
    "currentOrientation",
    "volumeLevel",
    "muted",
    "availableSize",
    "signalStrength",
    "isInRoaming",
    "operatorName",
    "displayLightIntensity",
    "language",
    "latitude",
    "longitude",
];

/// The names of the starter vocabulary that reveal who somebody is.
pub const IDENTITIES: &[&str] = &["imei", "meid", "MSISDN", "bluetoothAddress", "ipAddress", "serialNumber"];

/// These names, those that are names.
#[must_use]
pub fn names(texts: &[&str]) -> Vec<PropertyName> {
    texts.iter().filter_map(|text| PropertyName::try_from(*text).ok()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::wire::ValueType;

    #[test]
    fn decimals_are_exact() {
        let decimal = |text| Decimal::parse(text).unwrap();
        assert_eq!(decimal("0.1").plus(decimal("0.2")), decimal("0.3"));
        assert!(decimal("-1.5") < decimal("-1.4"));
        assert_eq!(decimal(" +20 "), decimal("20.000000000"));
        assert_eq!(decimal("1.0000000009"), decimal("1"));
        for bad in ["", "-", "+-1", "1e3", ".5", "1.", "NaN", "1 2", "1234567890123456789"] {
            assert_eq!(Decimal::parse(bad), None, "{bad}");
        }
    }

    #[test]
    fn the_starter_vocabulary_is_made_of_names() {
        assert_eq!(names(STARTER).len(), STARTER.len());
        assert_eq!(names(IDENTITIES).len(), IDENTITIES.len());
    }

    #[test]
    fn results_are_judged_part_by_part() {
        let name = PropertyName::try_from("a").unwrap();
        let good = ResultIe::from(&Reading::of(name.clone(), Value::integer(5)));
        assert_eq!(read_result(&good), Ok(Reading::of(name.clone(), Value::integer(5))));
        let without = ResultIe { values: Ie::Absent, ..good.clone() };
        assert_eq!(read_result(&without), Err(Code::RESULT_MISSING));
        assert_eq!(read_result(&ResultIe { values: Ie::Unusable, ..good.clone() }), Err(Code::RESULT_UNKNOWN));
        for (kind, text) in [(ValueType::Integer, "6 5"), (ValueType::Boolean, "tsue")] {
            let damaged = ResultIe { values: Ie::Is(vec![Value { kind, text: text.into() }]), ..good.clone() };
            assert_eq!(read_result(&damaged), Err(Code::RESULT_UNKNOWN), "{text}");
        }
        assert_eq!(read_result(&ResultIe { name: Ie::Absent, ..good.clone() }), Err(Code::PROPERTY_NAME_MISSING));
        assert_eq!(read_result(&ResultIe { status: Ie::Absent, ..good.clone() }), Err(Code::STATUS_MISSING));
        assert_eq!(read_result(&ResultIe { status: Code(99).into(), ..good }), Err(Code::STATUS_ERROR));
        let unsupported = ResultIe { status: Code::NOT_SUPPORTED.into(), ..without };
        assert_eq!(read_result(&unsupported), Ok(Reading::without(name, Code::NOT_SUPPORTED)));
    }
}
