//! Lists of requests: bounded while they are read, because three bytes of JSON can be fifty in memory.

use std::{fmt, marker::PhantomData};

use serde::{
    Deserialize, Deserializer,
    de::{self, SeqAccess, Visitor},
};

/// Objects of one call: what keeps the store's writer for a fraction of a second.
pub(super) const BULK: usize = 20_000;
/// Elements of a list within an object.
pub(super) const WITHIN: usize = 4096;

/// A list of at most `MOST` elements, or null.
pub(super) fn few<'de, D, T, const MOST: usize>(deserializer: D) -> Result<Option<Vec<T>>, D::Error>
where
    D: Deserializer<'de>,
    T: Deserialize<'de>,
{
    struct List<T, const MOST: usize>(PhantomData<T>);

    impl<'de, T: Deserialize<'de>, const MOST: usize> Visitor<'de> for List<T, MOST> {
        type Value = Option<Vec<T>>;

        fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str("a list")
        }

        fn visit_unit<E: de::Error>(self) -> Result<Self::Value, E> {
            Ok(None)
        }

        fn visit_none<E: de::Error>(self) -> Result<Self::Value, E> {
            Ok(None)
        }

        fn visit_some<D: Deserializer<'de>>(self, deserializer: D) -> Result<Self::Value, D::Error> {
            deserializer.deserialize_seq(self)
        }

        fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<Self::Value, A::Error> {
            let mut elements = Vec::new();
            while let Some(element) = list.next_element()? {
                if elements.len() == MOST {
                    let message = format!("has more than {MOST} elements: send them in several calls");
                    return Err(de::Error::custom(message));
                }
                elements.push(element);
            }
            Ok(Some(elements))
        }
    }

    deserializer.deserialize_option(List::<T, MOST>(PhantomData))
}
