//! Who a route came from.

use std::fmt;

/// A source of routes.
///
/// # When sources disagree
///
/// Every source owns what it brought: nothing another source says can change
/// or remove it. Where several sources have the same host and path, the route
/// is wholly that of the first of them in this order, endpoints and options
/// alike: the file, then the admin API, then NATS. So what an operator writes
/// into the file always holds. The routes below it are kept up to date
/// unseen, and take over as soon as the one above is gone.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Source {
    /// The configuration file.
    File,
    /// The admin API, or the program the router is embedded in.
    Admin,
    /// Registrations heard on NATS.
    Nats,
}

impl Source {
    /// Every source, the one that overrides the others first.
    pub const ALL: [Self; 3] = [Self::File, Self::Admin, Self::Nats];

    /// Its name in lists, metrics and logs.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::File => "file",
            Self::Admin => "admin",
            Self::Nats => "nats",
        }
    }

    /// The source of a name.
    pub fn named(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|source| source.as_str() == name)
    }
}

impl fmt::Display for Source {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_file_overrides_the_admin_api_and_that_nats() {
        assert!(Source::File < Source::Admin && Source::Admin < Source::Nats);
        for source in Source::ALL {
            assert_eq!(Source::named(source.as_str()), Some(source));
        }
        assert_eq!(Source::named("dns"), None);
    }
}
