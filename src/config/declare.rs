//! `section!`: one declaration a key. From it come the key's reader, its default, what a section may hold, whether a change
//! of it needs a restart, the reference page and the example file.

use std::fmt;

use secrecy::{ExposeSecret, SecretString};

/// When a change of a key takes effect.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Effect {
    /// With `systemctl reload`.
    Reload,
    /// After a restart.
    Restart,
}

/// What is known of a key besides how its value is read.
#[derive(Debug, Clone, Copy)]
pub(super) struct Key {
    pub(super) name: &'static str,
    /// The form of its value, for people.
    pub(super) form: &'static str,
    /// The value where the key isn't set; `None`: there is none.
    pub(super) default: Option<&'static str>,
    /// A value to show where there is no default.
    pub(super) example: &'static str,
    pub(super) effect: Effect,
    /// The lines of its documentation, each with the blank that follows `///`.
    pub(super) doc: &'static [&'static str],
}

/// A value that is compared and never shown.
#[derive(Clone)]
pub(super) struct Secret(pub(super) SecretString);

impl PartialEq for Secret {
    fn eq(&self, other: &Self) -> bool {
        self.0.expose_secret() == other.0.expose_secret()
    }
}

impl Eq for Secret {}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("[REDACTED]")
    }
}

/// The value of a default's text.
///
/// # Panics
/// Where the text is no value of its key: a test reads every default.
pub(super) fn default_of<T>(key: &str, text: &str, parse: impl FnOnce(&str) -> Result<T, String>) -> T {
    parse(text).unwrap_or_else(|why| panic!("the default of {key} is no value of it: {why}"))
}

/// The items of a default's text; as [`default_of`].
pub(super) fn default_items<T>(key: &str, text: &str, parse: impl Fn(&str) -> Result<T, String>) -> Vec<T> {
    let items = text.split(',').map(str::trim).filter(|item| !item.is_empty());
    items.map(|item| default_of(key, item, &parse)).collect()
}

/// Declares a section, or a part that several sections have:
///
/// ```text
/// section! {
///     /// The struct's documentation.
///     pub(super) struct AdminKeys = "admin" {
///         /// The key's documentation: it stands in the reference and in the example file.
///         socket: one PathBuf = "/run/vtepd/admin.sock", "path", value::own_socket_path, Restart;
///         group: some String = "vtepd", "name of a group", value::text, Restart;
///     }
/// }
/// ```
///
/// `one` has a default, which the text is; `some` has none, and the text is an example; `list` is `one` with items.
macro_rules! section {
    (
        $(#[doc = $about:literal])+
        pub(super) struct $name:ident = $title:literal {
            $(
                $(#[doc = $doc:literal])+
                $key:ident: $kind:ident $type:ty = $text:literal, $form:literal, $parse:expr, $effect:ident;
            )+
        }
    ) => {
        $(#[doc = $about])+
        #[derive(Debug, Clone, PartialEq)]
        pub(super) struct $name {
            $( $(#[doc = $doc])+ pub(super) $key: $crate::config::declare::section!(@type $kind $type), )+
        }

        impl $name {
            /// The keys, in the order of the reference.
            pub(super) const KEYS: &[$crate::config::declare::Key] = &[$(
                $crate::config::declare::Key {
                    name: stringify!($key),
                    form: $form,
                    default: $crate::config::declare::section!(@default $kind $text),
                    example: $text,
                    effect: $crate::config::declare::Effect::$effect,
                    doc: &[$($doc),+],
                },
            )+];

            /// What holds where nothing is set.
            pub(super) fn builtin() -> Self {
                Self { $( $key: $crate::config::declare::section!(@builtin $kind $key $text, $parse), )+ }
            }

            /// Reads the keys; those that aren't set are as in `below`.
            pub(super) fn read_over(section: &mut $crate::config::section::Section<'_>, below: &Self) -> Self {
                Self { $( $key: $crate::config::declare::section!(@read $kind section below $key, $parse), )+ }
            }

            /// Reads the keys.
            #[allow(dead_code, reason = "a part of several sections is read over another")]
            pub(super) fn read(section: &mut $crate::config::section::Section<'_>) -> Self {
                Self::read_over(section, &Self::builtin())
            }

            /// The keys that differ and need a restart, as `[section] key`.
            #[allow(dead_code, reason = "the keys of a switch need none")]
            pub(super) fn restarts(&self, new: &Self) -> Vec<&'static str> {
                let mut found = Vec::new();
                $(
                    if $crate::config::declare::Effect::$effect == $crate::config::declare::Effect::Restart
                        && self.$key != new.$key
                    {
                        found.push(concat!("[", $title, "] ", stringify!($key)));
                    }
                )+
                found
            }
        }
    };

    (@type one $type:ty) => { $type };
    (@type some $type:ty) => { Option<$type> };
    (@type list $type:ty) => { Vec<$type> };

    (@default some $text:literal) => { None };
    (@default $kind:ident $text:literal) => { Some($text) };

    (@builtin one $key:ident $text:literal, $parse:expr) => {
        $crate::config::declare::default_of(stringify!($key), $text, $parse)
    };
    (@builtin some $key:ident $text:literal, $parse:expr) => { None };
    (@builtin list $key:ident $text:literal, $parse:expr) => {
        $crate::config::declare::default_items(stringify!($key), $text, $parse)
    };

    (@read one $section:ident $below:ident $key:ident, $parse:expr) => {
        $section.get(stringify!($key), $parse).unwrap_or_else(|| $below.$key.clone())
    };
    (@read some $section:ident $below:ident $key:ident, $parse:expr) => {
        $section.get(stringify!($key), $parse).or_else(|| $below.$key.clone())
    };
    (@read list $section:ident $below:ident $key:ident, $parse:expr) => {
        $section.list(stringify!($key), $parse).unwrap_or_else(|| $below.$key.clone())
    };
}

pub(super) use section;
