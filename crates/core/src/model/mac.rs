//! MAC addresses: lower case with colons, as Neutron and `hardware_vtep` write them.

use std::{
    cmp::Ordering,
    fmt,
    hash::{Hash, Hasher},
    str::FromStr,
};

use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

/// A 48-bit MAC address.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct MacAddr(macaddr::MacAddr6);

/// The text is not a MAC address.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("'{0}' is not a MAC address: write six hexadecimal pairs, as in 02:00:0a:00:00:0b")]
pub struct ParseMacError(String);

/// As a number: six bytes one by one cost three times as much.
impl Hash for MacAddr {
    #[inline]
    fn hash<H: Hasher>(&self, state: &mut H) {
        state.write_u64(self.number());
    }
}

impl MacAddr {
    /// The address of these six octets.
    #[must_use]
    pub const fn new(octets: [u8; 6]) -> Self {
        let [o0, o1, o2, o3, o4, o5] = octets;
        Self(macaddr::MacAddr6::new(o0, o1, o2, o3, o4, o5))
    }

    /// The six octets, in the order in which they are written.
    #[must_use]
    pub const fn octets(self) -> [u8; 6] {
        self.0.into_array()
    }

    /// The 48 bits.
    const fn number(self) -> u64 {
        let [o0, o1, o2, o3, o4, o5] = self.octets();
        u64::from_be_bytes([0, 0, o0, o1, o2, o3, o4, o5])
    }

    /// Whether the address names a group (multicast and broadcast), which no single station can own.
    #[must_use]
    pub const fn is_multicast(self) -> bool {
        self.0.is_multicast()
    }

    /// The 17 characters of the usual form, without an allocation.
    #[must_use]
    pub fn to_ascii(self) -> [u8; 17] {
        const HEX: &[u8; 16] = b"0123456789abcdef";
        let mut text = [b':'; 17];
        for (i, octet) in self.octets().into_iter().enumerate() {
            text[i * 3] = HEX[usize::from(octet >> 4)];
            text[i * 3 + 1] = HEX[usize::from(octet & 15)];
        }
        text
    }

    /// Reads exactly `aa:bb:cc:dd:ee:ff` (either case): what a switch's database holds.
    #[must_use]
    pub fn from_ascii(text: &[u8]) -> Option<Self> {
        let text: &[u8; 17] = text.try_into().ok()?;
        let (mut octets, mut strange) = ([0; 6], 0);
        for (i, octet) in octets.iter_mut().enumerate() {
            if i > 0 && text[i * 3 - 1] != b':' {
                return None;
            }
            let (high, low) = (digit(text[i * 3]), digit(text[i * 3 + 1]));
            // Looked at once for all twelve.
            strange |= high | low;
            *octet = high << 4 | low & 15;
        }
        (strange < NO_DIGIT).then(|| Self::new(octets))
    }
}

/// What [`digit`] answers for a byte that is no hexadecimal digit.
const NO_DIGIT: u8 = 16;

/// The value of a hexadecimal digit.
const fn digit(byte: u8) -> u8 {
    match byte {
        b'0'..=b'9' => byte - b'0',
        b'a'..=b'f' => byte - b'a' + 10,
        b'A'..=b'F' => byte - b'A' + 10,
        _ => NO_DIGIT,
    }
}

impl Ord for MacAddr {
    /// That of the octets, compared as one number: tables of MACs are searched all the time.
    fn cmp(&self, other: &Self) -> Ordering {
        self.number().cmp(&other.number())
    }
}

impl PartialOrd for MacAddr {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl fmt::Display for MacAddr {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // Only ASCII was written into it.
        f.write_str(std::str::from_utf8(&self.to_ascii()).unwrap_or_default())
    }
}

impl fmt::Debug for MacAddr {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl FromStr for MacAddr {
    type Err = ParseMacError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        // Colons or hyphens, as people write them; never the bare twelve digits, which may be anything.
        if text.len() != 17 {
            return Err(ParseMacError(text.to_owned()));
        }
        text.parse().map(Self).map_err(|_| ParseMacError(text.to_owned()))
    }
}

impl Serialize for MacAddr {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for MacAddr {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = std::borrow::Cow::<'de, str>::deserialize(deserializer)?;
        text.parse().map_err(de::Error::custom)
    }
}
