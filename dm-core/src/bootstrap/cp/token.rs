//! The tokens of the binary form [OMA PROVCONT 1.1, 8].
//!
//! Elements have the same tokens on both code pages. Attributes have most of theirs on page 0; page 1 has those of
//! applications.

use super::read::{Attribute, Element};

/// The number of the public identifier `-//WAPFORUM//DTD PROV 1.0//EN`, and the identifier.
pub(super) const PUBLIC_ID: u32 = 0x0B;
pub(super) const PUBLIC_NAME: &str = "-//WAPFORUM//DTD PROV 1.0//EN";

/// The tokens of the elements, in the order of [`Element::NAMES`].
const FIRST_ELEMENT: u8 = 0x05;

/// The element of a token.
pub(super) fn element(page: u8, token: u8) -> Option<Element> {
    let (_, element) = Element::NAMES.get(usize::from(token.checked_sub(FIRST_ELEMENT)?))?;
    (page < PAGES).then_some(*element)
}

/// The token of an element.
pub(super) fn of_element(element: Element) -> u8 {
    let place = Element::NAMES.iter().zip(FIRST_ELEMENT..).find(|((_, known), _)| *known == element);
    place.map_or(FIRST_ELEMENT, |(_, token)| token)
}

/// How many code pages there are.
const PAGES: u8 = 2;

/// A token that begins an attribute: its page, itself, the attribute, and how its value begins.
pub(super) type Start = (u8, u8, Attribute, &'static str);
/// A token that is a piece of a value: its page, itself, and the piece.
pub(super) type Piece = (u8, u8, &'static str);

/// What a token begins.
pub(super) fn start(page: u8, token: u8) -> Option<(Attribute, &'static str)> {
    STARTS.iter().find(|start| (start.0, start.1) == (page, token)).map(|start| (start.2, start.3))
}

/// The piece of a value that a token is.
pub(super) fn piece(page: u8, token: u8) -> Option<&'static str> {
    PIECES.iter().find(|piece| (piece.0, piece.1) == (page, token)).map(|piece| piece.2)
}

use Attribute::{Name, Type, Value, Version};

pub(super) const STARTS: &[Start] = &[
    (0, 0x05, Name, ""),
    (0, 0x06, Value, ""),
    (0, 0x07, Name, "NAME"),
    (0, 0x08, Name, "NAP-ADDRESS"),
    (0, 0x09, Name, "NAP-ADDRTYPE"),
    (0, 0x0A, Name, "CALLTYPE"),
    (0, 0x0B, Name, "VALIDUNTIL"),
    (0, 0x0C, Name, "AUTHTYPE"),
    (0, 0x0D, Name, "AUTHNAME"),
    (0, 0x0E, Name, "AUTHSECRET"),
    (0, 0x0F, Name, "LINGER"),
    (0, 0x10, Name, "BEARER"),
    (0, 0x11, Name, "NAPID"),
    (0, 0x12, Name, "COUNTRY"),
    (0, 0x13, Name, "NETWORK"),
    (0, 0x14, Name, "INTERNET"),
    (0, 0x15, Name, "PROXY-ID"),
    (0, 0x16, Name, "PROXY-PROVIDER-ID"),
    (0, 0x17, Name, "DOMAIN"),
    (0, 0x18, Name, "PROVURL"),
    (0, 0x19, Name, "PXAUTH-TYPE"),
    (0, 0x1A, Name, "PXAUTH-ID"),
    (0, 0x1B, Name, "PXAUTH-PW"),
    (0, 0x1C, Name, "STARTPAGE"),
    (0, 0x1D, Name, "BASAUTH-ID"),
    (0, 0x1E, Name, "BASAUTH-PW"),
    (0, 0x1F, Name, "PUSHENABLED"),
    (0, 0x20, Name, "PXADDR"),
    (0, 0x21, Name, "PXADDRTYPE"),
    (0, 0x22, Name, "TO-NAPID"),
    (0, 0x23, Name, "PORTNBR"),
    (0, 0x24, Name, "SERVICE"),
    (0, 0x25, Name, "LINKSPEED"),
    (0, 0x26, Name, "DNLINKSPEED"),
    (0, 0x27, Name, "LOCAL-ADDR"),
    (0, 0x28, Name, "LOCAL-ADDRTYPE"),
    (0, 0x29, Name, "CONTEXT-ALLOW"),
    (0, 0x2A, Name, "TRUST"),
    (0, 0x2B, Name, "MASTER"),
    (0, 0x2C, Name, "SID"),
    (0, 0x2D, Name, "SOC"),
    (0, 0x2E, Name, "WSP-VERSION"),
    (0, 0x2F, Name, "PHYSICAL-PROXY-ID"),
    (0, 0x30, Name, "CLIENT-ID"),
    (0, 0x31, Name, "DELIVERY-ERR-SDU"),
    (0, 0x32, Name, "DELIVERY-ORDER"),
    (0, 0x33, Name, "TRAFFIC-CLASS"),
    (0, 0x34, Name, "MAX-SDU-SIZE"),
    (0, 0x35, Name, "MAX-BITRATE-UPLINK"),
    (0, 0x36, Name, "MAX-BITRATE-DNLINK"),
    (0, 0x37, Name, "RESIDUAL-BER"),
    (0, 0x38, Name, "SDU-ERROR-RATIO"),
    (0, 0x39, Name, "TRAFFIC-HANDL-PRIO"),
    (0, 0x3A, Name, "TRANSFER-DELAY"),
    (0, 0x3B, Name, "GUARANTEED-BITRATE-UPLINK"),
    (0, 0x3C, Name, "GUARANTEED-BITRATE-DNLINK"),
    (0, 0x3D, Name, "PXADDR-FQDN"),
    (0, 0x3E, Name, "PROXY-PW"),
    (0, 0x3F, Name, "PPGAUTH-TYPE"),
    (0, 0x45, Version, ""),
    (0, 0x46, Version, "1.0"),
    (0, 0x47, Name, "PULLENABLED"),
    (0, 0x48, Name, "DNS-ADDR"),
    (0, 0x49, Name, "MAX-NUM-RETRY"),
    (0, 0x4A, Name, "FIRST-RETRY-TIMEOUT"),
    (0, 0x4B, Name, "REREG-THRESHOLD"),
    (0, 0x4C, Name, "T-BIT"),
    (0, 0x4E, Name, "AUTH-ENTITY"),
    (0, 0x4F, Name, "SPI"),
    (0, 0x50, Type, ""),
    (0, 0x51, Type, "PXLOGICAL"),
    (0, 0x52, Type, "PXPHYSICAL"),
    (0, 0x53, Type, "PORT"),
    (0, 0x54, Type, "VALIDITY"),
    (0, 0x55, Type, "NAPDEF"),
    (0, 0x56, Type, "BOOTSTRAP"),
    (0, 0x57, Type, "VENDORCONFIG"),
    (0, 0x58, Type, "CLIENTIDENTITY"),
    (0, 0x59, Type, "PXAUTHINFO"),
    (0, 0x5A, Type, "NAPAUTHINFO"),
    (0, 0x5B, Type, "ACCESS"),
    (1, 0x05, Name, ""),
    (1, 0x06, Value, ""),
    (1, 0x07, Name, "NAME"),
    (1, 0x14, Name, "INTERNET"),
    (1, 0x1C, Name, "STARTPAGE"),
    (1, 0x22, Name, "TO-NAPID"),
    (1, 0x23, Name, "PORTNBR"),
    (1, 0x24, Name, "SERVICE"),
    (1, 0x2E, Name, "AACCEPT"),
    (1, 0x2F, Name, "AAUTHDATA"),
    (1, 0x30, Name, "AAUTHLEVEL"),
    (1, 0x31, Name, "AAUTHNAME"),
    (1, 0x32, Name, "AAUTHSECRET"),
    (1, 0x33, Name, "AAUTHTYPE"),
    (1, 0x34, Name, "ADDR"),
    (1, 0x35, Name, "ADDRTYPE"),
    (1, 0x36, Name, "APPID"),
    (1, 0x37, Name, "APROTOCOL"),
    (1, 0x38, Name, "PROVIDER-ID"),
    (1, 0x39, Name, "TO-PROXY"),
    (1, 0x3A, Name, "URI"),
    (1, 0x3B, Name, "RULE"),
    (1, 0x50, Type, ""),
    (1, 0x53, Type, "PORT"),
    (1, 0x55, Type, "APPLICATION"),
    (1, 0x56, Type, "APPADDR"),
    (1, 0x57, Type, "APPAUTH"),
    (1, 0x58, Type, "CLIENTIDENTITY"),
    (1, 0x59, Type, "RESOURCE"),
];

pub(super) const PIECES: &[Piece] = &[
    (0, 0x85, "IPV4"),
    (0, 0x86, "IPV6"),
    (0, 0x87, "E164"),
    (0, 0x88, "ALPHA"),
    (0, 0x89, "APN"),
    (0, 0x8A, "SCODE"),
    (0, 0x8B, "TETRA-ITSI"),
    (0, 0x8C, "MAN"),
    (0, 0x90, "ANALOG-MODEM"),
    (0, 0x91, "V.120"),
    (0, 0x92, "V.110"),
    (0, 0x93, "X.31"),
    (0, 0x94, "BIT-TRANSPARENT"),
    (0, 0x95, "DIRECT-ASYNCHRONOUS-DATA-SERVICE"),
    (0, 0x9A, "PAP"),
    (0, 0x9B, "CHAP"),
    (0, 0x9C, "HTTP-BASIC"),
    (0, 0x9D, "HTTP-DIGEST"),
    (0, 0x9E, "WTLS-SS"),
    (0, 0x9F, "MD5"),
    (0, 0xA2, "GSM-USSD"),
    (0, 0xA3, "GSM-SMS"),
    (0, 0xA4, "ANSI-136-GUTS"),
    (0, 0xA5, "IS-95-CDMA-SMS"),
    (0, 0xA6, "IS-95-CDMA-CSD"),
    (0, 0xA7, "IS-95-CDMA-PACKET"),
    (0, 0xA8, "ANSI-136-CSD"),
    (0, 0xA9, "ANSI-136-GPRS"),
    (0, 0xAA, "GSM-CSD"),
    (0, 0xAB, "GSM-GPRS"),
    (0, 0xAC, "AMPS-CDPD"),
    (0, 0xAD, "PDC-CSD"),
    (0, 0xAE, "PDC-PACKET"),
    (0, 0xAF, "IDEN-SMS"),
    (0, 0xB0, "IDEN-CSD"),
    (0, 0xB1, "IDEN-PACKET"),
    (0, 0xB2, "FLEX/REFLEX"),
    (0, 0xB3, "PHS-SMS"),
    (0, 0xB4, "PHS-CSD"),
    (0, 0xB5, "TETRA-SDS"),
    (0, 0xB6, "TETRA-PACKET"),
    (0, 0xB7, "ANSI-136-GHOST"),
    (0, 0xB8, "MOBITEX-MPAK"),
    (0, 0xB9, "CDMA2000-1X-SIMPLE-IP"),
    (0, 0xBA, "CDMA2000-1X-MOBILE-IP"),
    (0, 0xC5, "AUTOBAUDING"),
    (0, 0xCA, "CL-WSP"),
    (0, 0xCB, "CO-WSP"),
    (0, 0xCC, "CL-SEC-WSP"),
    (0, 0xCD, "CO-SEC-WSP"),
    (0, 0xCE, "CL-SEC-WTA"),
    (0, 0xCF, "CO-SEC-WTA"),
    (0, 0xD0, "OTA-HTTP-TO"),
    (0, 0xD1, "OTA-HTTP-TLS-TO"),
    (0, 0xD2, "OTA-HTTP-PO"),
    (0, 0xD3, "OTA-HTTP-TLS-PO"),
    (0, 0xE0, "AAA"),
    (0, 0xE1, "HA"),
    (1, 0x86, "IPV6"),
    (1, 0x87, "E164"),
    (1, 0x88, "ALPHA"),
    (1, 0x8D, "APPSRV"),
    (1, 0x8E, "OBEX"),
    (1, 0x90, ","),
    (1, 0x91, "HTTP-"),
    (1, 0x92, "BASIC"),
    (1, 0x93, "DIGEST"),
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_token_is_there_once() {
        for (at, start) in STARTS.iter().enumerate() {
            assert!(STARTS.iter().skip(at + 1).all(|other| (other.0, other.1) != (start.0, start.1)), "{start:x?}");
        }
        for (at, piece) in PIECES.iter().enumerate() {
            assert!(PIECES.iter().skip(at + 1).all(|other| (other.0, other.1) != (piece.0, piece.1)), "{piece:x?}");
        }
        assert_eq!((STARTS.len(), PIECES.len()), (81 + 29, 58 + 9));
    }

    #[test]
    fn elements_have_the_same_tokens_on_both_pages() {
        for (name, found) in Element::NAMES {
            let token = of_element(found);
            assert_eq!(
                (element(0, token), element(1, token), element(2, token)),
                (Some(found), Some(found), None),
                "{name}"
            );
        }
        assert_eq!((element(0, 0x04), element(0, 0x08)), (None, None));
    }
}
