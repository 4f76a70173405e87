//! Bytes of a client through the whole router to scripted endpoints and back:
//! no panic, no request out that did not come in, no byte of one exchange in
//! another, and nothing written that a strict reader would not take.

mod check;
mod script;

use std::sync::LazyLock;

use pointsman::config::{Settings, parse};
use pointsman::fuzzing::{Heard, converse};

use script::Script;

static SETTINGS: LazyLock<Settings> = LazyLock::new(|| {
    let text = r#"
        [[listener]]
        address = "127.0.0.1:8080"
        [limits]
        request_body_bytes = 2000
        replay_body_bytes = 100
        [[route]]
        host = "a.test"
        endpoints = ["192.0.2.101:80", "192.0.2.102:80", "192.0.2.103:80"]
        [[route]]
        host = "*.b.test"
        path = "/one"
        endpoints = ["192.0.2.104:80"]
    "#;
    parse(text, "fuzz").unwrap()
});

/// A script, as [`Script::read`] tells.
pub fn run(data: &[u8]) {
    let script = Script::read(data);
    let heard = play(&script);
    check::check(&script, &heard);
}

fn play(script: &Script) -> Heard {
    let runtime =
        tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build();
    let (client, dials) = (script.client.clone(), script.dials.clone());
    runtime.unwrap().block_on(converse(SETTINGS.clone(), client, dials)).unwrap()
}
