//! Closed sets of words (`boot`, `zstd`, `x86_64`) and the macros that give them their text form.

/// Defines an enum whose variants are written as fixed words, with `ALL`, `as_str`, `Display`,
/// `FromStr` (with a "did you mean") and serde in both directions.
macro_rules! word_enum {
    ($(#[$meta:meta])* $name:ident, $what:literal, {
        $($(#[$vmeta:meta])* $variant:ident = $word:literal $(| $alias:literal)*),+ $(,)?
    }) => {
        $(#[$meta])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub enum $name {
            $($(#[$vmeta])* $variant),+
        }

        impl $name {
            /// Every value, in the order of the documentation.
            pub const ALL: &'static [$name] = &[$($name::$variant),+];

            /// The word as it is written in a spec.
            pub fn as_str(self) -> &'static str {
                match self {
                    $($name::$variant => $word),+
                }
            }
        }

        impl std::fmt::Display for $name {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.pad(self.as_str())
            }
        }

        impl std::str::FromStr for $name {
            type Err = $crate::spec::ValueError;

            fn from_str(text: &str) -> Result<Self, Self::Err> {
                match text.to_ascii_lowercase().as_str() {
                    $($word $(| $alias)* => Ok($name::$variant),)+
                    _ => Err($crate::spec::value::not_a_word(text, $what, &[$($word),+])),
                }
            }
        }

        $crate::spec::word::serde_as_text!($name);
    };
}

/// Serialises a type through `Display` and reads it through `FromStr`; numbers are read as their
/// decimal text, so that TOML and JSON may say `release = 43`.
macro_rules! serde_as_text {
    ($name:ty) => {
        impl serde::Serialize for $name {
            fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.collect_str(self)
            }
        }
        $crate::spec::word::deserialize_from_text!($name);
    };
}

/// The reading half of [`serde_as_text`].
macro_rules! deserialize_from_text {
    ($name:ty) => {
        impl<'de> serde::Deserialize<'de> for $name {
            fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                $crate::spec::value::from_text(deserializer)
            }
        }
    };
}

pub(crate) use {deserialize_from_text, serde_as_text, word_enum};
