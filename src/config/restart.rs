//! The keys that take effect at a start only.

use std::fmt;

use super::{ListenerSettings, Settings};

/// A key that is read at the start only.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct StartKey {
    /// The key.
    pub name: &'static str,
    /// What of it is read anew at every reload all the same, if anything is.
    pub but: Option<&'static str>,
}

/// Keys that are read at the start only; everything else follows a reload.
pub const NEEDS_RESTART: [StartKey; 6] = [
    StartKey { name: "listener", but: Some("what its tls says") },
    StartKey { name: "admin", but: None },
    StartKey { name: "workers", but: None },
    StartKey { name: "access_log", but: None },
    StartKey { name: "registry.nats", but: None },
    StartKey { name: "registry.snapshot", but: None },
];

impl fmt::Display for StartKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.but {
            None => f.write_str(self.name),
            Some(but) => write!(f, "{} (all but {but})", self.name),
        }
    }
}

impl Settings {
    /// Takes those parts from `running` that cannot change in a running
    /// router; the keys that were different, of [`NEEDS_RESTART`].
    pub(crate) fn keep_from_start(&mut self, running: &Settings) -> Vec<&'static str> {
        let [listener, admin, workers, access_log, nats, snapshot] =
            NEEDS_RESTART.map(|key| key.name);
        let mut kept = Vec::new();
        if !same_sockets(&self.listeners, &running.listeners) {
            kept.push(listener);
            self.listeners.clone_from(&running.listeners);
        }
        keep(admin, &mut self.admin, &running.admin, &mut kept);
        keep(workers, &mut self.workers, &running.workers, &mut kept);
        keep(access_log, &mut self.access_log, &running.access_log, &mut kept);
        keep(nats, &mut self.registry.nats, &running.registry.nats, &mut kept);
        let running_snapshot = &running.registry.snapshot;
        keep(snapshot, &mut self.registry.snapshot, running_snapshot, &mut kept);
        kept
    }
}

/// Whether the listeners are the same but for what TLS is made of: that is read
/// anew at every reload, and new connections get it.
fn same_sockets(new: &[ListenerSettings], running: &[ListenerSettings]) -> bool {
    let same = |(new, running): (&ListenerSettings, &ListenerSettings)| {
        let tls = new.tls.is_some() == running.tls.is_some();
        tls && *new == ListenerSettings { tls: new.tls.clone(), ..running.clone() }
    };
    new.len() == running.len() && new.iter().zip(running).all(same)
}

fn keep<T: Clone + PartialEq>(
    key: &'static str,
    new: &mut T,
    running: &T,
    kept: &mut Vec<&'static str>,
) {
    if new != running {
        new.clone_from(running);
        kept.push(key);
    }
}

#[cfg(test)]
mod tests {
    use super::super::parse;

    #[test]
    fn what_needs_a_restart_stays_and_is_named_and_the_rest_is_new() {
        let running = parse("[[listener]]\naddress = \"127.0.0.1:1\"\n", "p").unwrap();
        let text = "errors.expose_endpoints = true\nadmin.address = \"127.0.0.1:2\"\n\
                    workers.threads = 7\naccess_log.path = \"\"\nregistry.snapshot = \"s\"\n\
                    registry.nats.urls = [\"nats://127.0.0.1\"]\n\
                    [[listener]]\naddress = \"127.0.0.1:3\"\n";
        let mut new = parse(text, "p").unwrap();
        assert_eq!(new.keep_from_start(&running), super::NEEDS_RESTART.map(|key| key.name));
        assert!(new.errors.expose_endpoints);
        new.errors.expose_endpoints = false;
        assert_eq!(new, running);
        assert!(new.keep_from_start(&running).is_empty());
    }

    #[test]
    fn a_listener_more_or_less_needs_a_restart_too() {
        let one = "[[listener]]\naddress = \"127.0.0.1:1\"\n";
        let two = format!("{one}[[listener]]\naddress = \"127.0.0.1:2\"\n");
        let [one, two] = [one, &two].map(|text| parse(text, "p").unwrap());
        for (running, new) in [(&one, &two), (&two, &one)] {
            let mut new = new.clone();
            assert_eq!(new.keep_from_start(running), ["listener"]);
            assert_eq!(new, *running);
        }
    }
}
