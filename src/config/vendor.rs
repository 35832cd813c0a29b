//! What is known of a vendor's switches, as data: what a schema doesn't tell.

/// `vendor`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Vendor {
    /// Nothing is known.
    #[default]
    Generic,
    /// Arista CVX: many Physical_Switches behind one session.
    Arista,
    /// Cumulus: service nodes only.
    Cumulus,
    /// Dell OS10.
    Dell,
    /// Extreme EXOS: schema 1.3.
    Extreme,
    /// HPE Comware: its command line writes rows, too.
    Hpe,
    /// Juniper QFX: it dials in, by TLS.
    Juniper,
}

/// What a vendor's switches are like.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Profile {
    word: &'static str,
    vendor: Vendor,
    /// Whether a switch can send broadcasts to one member of a flood list only.
    pub one_node: bool,
    /// Transports by which its switches can be reached; empty: all.
    pub transports: &'static [&'static str],
}

const PROFILES: [Profile; 7] = [
    Profile { word: "generic", vendor: Vendor::Generic, one_node: false, transports: &[] },
    Profile { word: "arista", vendor: Vendor::Arista, one_node: false, transports: &[] },
    Profile { word: "cumulus", vendor: Vendor::Cumulus, one_node: true, transports: &[] },
    Profile { word: "dell", vendor: Vendor::Dell, one_node: false, transports: &["ssl", "passive", "ssh"] },
    Profile { word: "extreme", vendor: Vendor::Extreme, one_node: false, transports: &[] },
    Profile { word: "hpe", vendor: Vendor::Hpe, one_node: false, transports: &[] },
    Profile { word: "juniper", vendor: Vendor::Juniper, one_node: false, transports: &["passive", "ssl", "ssh"] },
];

impl Vendor {
    /// The vendor of a word; `None`: it is a note of the operator's.
    pub(super) fn named(word: &str) -> Option<Self> {
        PROFILES.iter().find(|profile| profile.word.eq_ignore_ascii_case(word)).map(|profile| profile.vendor)
    }

    /// What is known of it.
    #[must_use]
    pub fn profile(self) -> &'static Profile {
        PROFILES.iter().find(|profile| profile.vendor == self).unwrap_or(&PROFILES[0])
    }

    /// As plumgrid.ini spells it.
    #[must_use]
    pub fn word(self) -> &'static str {
        self.profile().word
    }
}
