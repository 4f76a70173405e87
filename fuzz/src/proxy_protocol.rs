//! PROXY headers: however much of one has come, no byte behind it is asked for,
//! and what is understood is understood the same when it is sent on.

use pointsman::proxy_protocol::{MAX_BYTES, Malformed, Origin, Step, encode_v2, step};

/// The input is what a balancer sends, and whatever follows.
pub fn run(data: &[u8]) {
    let Ok(Some((taken, origin))) = read(data) else { return };
    assert!(taken <= MAX_BYTES);
    // What follows changes nothing, and a part is never refused.
    assert_eq!(read(&data[..taken]), Ok(Some((taken, origin))));
    for cut in 0..taken {
        assert_eq!(read(&data[..cut]), Ok(None), "a header cut at {cut}");
    }
    let again = encode_v2(&origin);
    let (whole, sent) = read(&again).unwrap().unwrap();
    assert_eq!(whole, again.len());
    match (origin, sent) {
        (Origin::Unnamed, Origin::Unnamed) => {}
        (
            Origin::Client { source, destination },
            Origin::Client { source: from, destination: to },
        ) => {
            assert_eq!((from.port(), to.port()), (source.port(), destination.port()));
            assert_eq!(from.ip().to_canonical(), source.ip().to_canonical());
            assert_eq!(to.ip().to_canonical(), destination.ip().to_canonical());
        }
        other => panic!("not the same: {other:?}"),
    }
}

/// Reads as a listener does: as many bytes as it is told, and no more.
fn read(input: &[u8]) -> Result<Option<(usize, Origin)>, Malformed> {
    let mut taken = 0;
    loop {
        match step(&input[..taken])? {
            Step::Done(origin) => return Ok(Some((taken, origin))),
            Step::Read(most) => {
                assert!(most > 0 && taken + most <= MAX_BYTES, "more than a header is");
                if taken == input.len() {
                    return Ok(None);
                }
                taken = (taken + most).min(input.len());
            }
        }
    }
}
