//! Addresses of which there is mostly one or none.

use alloc::{boxed::Box, vec, vec::Vec};
use core::{fmt, iter, mem, ops::Deref, option, slice};

use smol_str::SmolStr;

/// `TargetRef`s or `SourceRef`s, in order, to be read as a slice. One alone takes no memory of its own, and hardly any
/// status has more.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct Refs(Few);

/// Each number of addresses has one form, so that equal ones are equal in form.
#[derive(Clone, Default, PartialEq, Eq)]
enum Few {
    #[default]
    None,
    One(SmolStr),
    #[expect(
        clippy::box_collection,
        reason = "as large as one address: a status holds two of these, and is moved a lot"
    )]
    Many(Box<Vec<SmolStr>>),
}

impl Refs {
    /// Adds one at the end.
    pub fn push(&mut self, uri: SmolStr) {
        self.0 = match mem::take(&mut self.0) {
            Few::None => Few::One(uri),
            Few::One(first) => Few::Many(Box::new(vec![first, uri])),
            Few::Many(mut all) => {
                all.push(uri);
                Few::Many(all)
            }
        };
    }
}

impl Deref for Refs {
    type Target = [SmolStr];

    fn deref(&self) -> &[SmolStr] {
        match &self.0 {
            Few::None => &[],
            Few::One(uri) => slice::from_ref(uri),
            Few::Many(all) => all,
        }
    }
}

impl Extend<SmolStr> for Refs {
    fn extend<I: IntoIterator<Item = SmolStr>>(&mut self, all: I) {
        all.into_iter().for_each(|uri| self.push(uri));
    }
}

impl FromIterator<SmolStr> for Refs {
    fn from_iter<I: IntoIterator<Item = SmolStr>>(all: I) -> Self {
        let mut refs = Self::default();
        refs.extend(all);
        refs
    }
}

impl From<Vec<SmolStr>> for Refs {
    fn from(all: Vec<SmolStr>) -> Self {
        all.into_iter().collect()
    }
}

impl<const N: usize> From<[SmolStr; N]> for Refs {
    fn from(all: [SmolStr; N]) -> Self {
        all.into_iter().collect()
    }
}

impl IntoIterator for Refs {
    type Item = SmolStr;
    type IntoIter = iter::Chain<option::IntoIter<SmolStr>, vec::IntoIter<SmolStr>>;

    fn into_iter(self) -> Self::IntoIter {
        let (one, many) = match self.0 {
            Few::None => (None, Vec::new()),
            Few::One(uri) => (Some(uri), Vec::new()),
            Few::Many(all) => (None, *all),
        };
        one.into_iter().chain(many)
    }
}

impl<'a> IntoIterator for &'a Refs {
    type Item = &'a SmolStr;
    type IntoIter = slice::Iter<'a, SmolStr>;

    fn into_iter(self) -> Self::IntoIter {
        self.iter()
    }
}

impl fmt::Debug for Refs {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.iter()).finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn however_many_there_are_they_are_a_list_in_order() {
        let all: Vec<SmolStr> = ["./A", "./B", "./C", "./D"].map(SmolStr::from).into();
        for count in 0..=all.len() {
            let some = all.get(..count).unwrap();
            let refs = Refs::from(some.to_vec());
            assert_eq!((&*refs, refs.is_empty()), (some, count == 0));
            assert_eq!(alloc::format!("{refs:?}"), alloc::format!("{some:?}"));
            assert!((&refs).into_iter().eq(some) && refs.clone().into_iter().eq(some.iter().cloned()));
            let mut pushed = Refs::default();
            for (at, uri) in some.iter().enumerate() {
                assert_eq!(pushed == refs, at == count);
                pushed.push(uri.clone());
            }
            assert_eq!(pushed, refs);
        }
        assert_eq!(Refs::from([SmolStr::from("./A")]).len(), 1);
    }

    #[test]
    fn it_is_no_larger_than_an_address() {
        assert_eq!(size_of::<Refs>(), size_of::<SmolStr>());
    }
}
