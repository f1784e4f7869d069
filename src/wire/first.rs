//! A list of a JSON document that may be longer than there is room for it.

use core::fmt;
use core::marker::PhantomData;
use heapless::Vec;
use serde::de::{Deserialize, Deserializer, IgnoredAny, SeqAccess, Visitor};

/// The first elements of a list, and how many there are.
pub struct First<T, const N: usize> {
    pub first: Vec<T, N>,
    pub count: usize,
}

impl<'de, T: Deserialize<'de>, const N: usize> Deserialize<'de> for First<T, N> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_seq(Elements(PhantomData))
    }
}

struct Elements<T, const N: usize>(PhantomData<T>);

impl<'de, T: Deserialize<'de>, const N: usize> Visitor<'de> for Elements<T, N> {
    type Value = First<T, N>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a list")
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<First<T, N>, A::Error> {
        let mut first = Vec::new();
        while !first.is_full() {
            match list.next_element()? {
                // There is room: it is not full.
                Some(element) => first.push(element).unwrap_or_default(),
                None => return Ok(First { count: first.len(), first }),
            }
        }
        let mut count = N;
        while list.next_element::<IgnoredAny>()?.is_some() {
            count = count.saturating_add(1);
        }
        Ok(First { first, count })
    }
}
