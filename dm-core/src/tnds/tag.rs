//! The elements of descriptions and serialised sub-trees, one name for each, whatever the encoding [DM TND 1.2, 10].

use core::fmt;

macro_rules! tags {
    ($($variant:ident = $token:literal $name:literal;)+) => {
        /// An element of code page 2, namespace `syncml:dmddf1.2`.
        #[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
        pub(crate) enum Tag {
            $($variant,)+
        }

        impl Tag {
            /// The element's name in XML.
            pub(crate) const fn name(self) -> &'static str {
                match self { $(Self::$variant => $name,)+ }
            }

            /// The element's token, without the bits for content and attributes.
            #[cfg(feature = "wbxml")]
            pub(crate) const fn token(self) -> u8 {
                match self { $(Self::$variant => $token,)+ }
            }

            /// The element of this name, its letters in their case: `Node` and `node` are two.
            pub(crate) fn from_name(name: &str) -> Option<Self> {
                match name { $($name => Some(Self::$variant),)+ _ => None }
            }

            /// The element of this token.
            #[cfg(feature = "wbxml")]
            pub(crate) const fn from_token(token: u8) -> Option<Self> {
                match token { $($token => Some(Self::$variant),)+ _ => None }
            }

            #[cfg(test)]
            pub(crate) const ALL: &'static [Self] = &[$(Self::$variant),+];
        }
    };
}

tags! {
    AccessType = 0x05 "AccessType";
    Acl = 0x06 "ACL";
    Add = 0x07 "Add";
    FormatB64 = 0x08 "b64";
    FormatBin = 0x09 "bin";
    FormatBool = 0x0A "bool";
    FormatChr = 0x0B "chr";
    CaseSense = 0x0C "CaseSense";
    Cis = 0x0D "CIS";
    Copy = 0x0E "Copy";
    Cs = 0x0F "CS";
    FormatDate = 0x10 "date";
    DdfName = 0x11 "DDFName";
    DefaultValue = 0x12 "DefaultValue";
    Delete = 0x13 "Delete";
    Description = 0x14 "Description";
    DfFormat = 0x15 "DFFormat";
    DfProperties = 0x16 "DFProperties";
    DfTitle = 0x17 "DFTitle";
    DfType = 0x18 "DFType";
    Dynamic = 0x19 "Dynamic";
    Exec = 0x1A "Exec";
    FormatFloat = 0x1B "float";
    Format = 0x1C "Format";
    Get = 0x1D "Get";
    FormatInt = 0x1E "int";
    Man = 0x1F "Man";
    MgmtTree = 0x20 "MgmtTree";
    Mime = 0x21 "MIME";
    Mod = 0x22 "Mod";
    Name = 0x23 "Name";
    Node = 0x24 "Node";
    FormatNode = 0x25 "node";
    NodeName = 0x26 "NodeName";
    FormatNull = 0x27 "null";
    Occurrence = 0x28 "Occurrence";
    One = 0x29 "One";
    OneOrMore = 0x2A "OneOrMore";
    OneOrN = 0x2B "OneOrN";
    Path = 0x2C "Path";
    Permanent = 0x2D "Permanent";
    Replace = 0x2E "Replace";
    RtProperties = 0x2F "RTProperties";
    Scope = 0x30 "Scope";
    Size = 0x31 "Size";
    FormatTime = 0x32 "time";
    Title = 0x33 "Title";
    TStamp = 0x34 "TStamp";
    Type = 0x35 "Type";
    Value = 0x36 "Value";
    VerDtd = 0x37 "VerDTD";
    VerNo = 0x38 "VerNo";
    FormatXml = 0x39 "xml";
    ZeroOrMore = 0x3A "ZeroOrMore";
    ZeroOrN = 0x3B "ZeroOrN";
    ZeroOrOne = 0x3C "ZeroOrOne";
}

impl fmt::Debug for Tag {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

#[cfg(all(test, feature = "wbxml"))]
mod tests {
    use super::*;

    #[test]
    fn names_and_tokens_lead_back_to_their_element() {
        for (tag, token) in Tag::ALL.iter().zip(0x05..) {
            assert_eq!(tag.token(), token, "the page has no gaps");
            assert_eq!(Tag::from_name(tag.name()), Some(*tag));
            assert_eq!(Tag::from_token(token), Some(*tag));
        }
        assert_eq!((Tag::ALL.len(), Tag::from_token(0x3D)), (0x38, None));
    }
}
