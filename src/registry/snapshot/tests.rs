//! What a snapshot gives back, whatever happens to its bytes.

use std::time::Duration;

use proptest::prelude::*;

use super::*;
use crate::endpoint::Balance;
use crate::registry::{Registration, Tags};

type Told = (Source, Change);

fn word() -> impl Strategy<Value = Option<Box<str>>> {
    prop::option::of(".{0,20}".prop_map(Into::into))
}

fn source() -> impl Strategy<Value = Source> {
    prop_oneof![Just(Source::Admin), Just(Source::Nats)]
}

fn place() -> impl Strategy<Value = (crate::route::HostPattern, crate::route::PathPrefix)> {
    let host = prop_oneof![
        "[a-z]{1,8}(\\.[a-z]{1,8}){0,2}".prop_map(|host| host.parse().unwrap()),
        "\\*\\.[a-z]{1,8}".prop_map(|host| host.parse().unwrap()),
        Just(crate::route::HostPattern::ANY),
    ];
    (
        host,
        "(/[a-z]{1,5}){0,3}"
            .prop_map(|path| format!("/{}", &path.get(1..).unwrap_or("")).parse().unwrap()),
    )
}

fn address() -> impl Strategy<Value = std::net::SocketAddr> {
    prop_oneof![
        any::<(u32, u16)>().prop_map(|(ip, port)| (std::net::Ipv4Addr::from(ip), port).into()),
        any::<(u128, u16, u32, u32)>().prop_map(|(ip, port, flow, scope)| {
            std::net::SocketAddrV6::new(ip.into(), port, flow, scope).into()
        }),
    ]
}

fn registration() -> impl Strategy<Value = Registration> {
    let balance = prop_oneof![Just(Balance::RoundRobin), Just(Balance::LeastRequests)];
    let numbers = (
        prop::option::of(any::<u32>()),
        any::<u16>(),
        any::<bool>(),
        prop::option::of(any::<i64>()),
        prop::option::of(balance),
    );
    let words = (word(), word(), word(), word(), word(), word());
    let tags = prop::collection::btree_map(".{0,9}", ".{0,9}", 0..3);
    (place(), address(), numbers, words, tags).prop_map(|((host, path), at, n, w, tags)| {
        Registration {
            ttl: n.0.map(|ms| Duration::from_millis(ms.into())),
            weight: n.1,
            tls: n.2,
            updated_at_ns: n.3,
            balance: n.4,
            instance_id: w.0,
            instance_index: w.1,
            app: w.2,
            availability_zone: w.3,
            isolation_segment: w.4,
            server_cert_domain_san: w.5,
            tags: tags.into_iter().map(|(k, v)| (k.into(), v.into())).collect::<Tags>(),
            ..Registration::new(host, path, at)
        }
    })
}

fn told() -> impl Strategy<Value = Told> {
    let change = prop_oneof![
        3 => registration().prop_map(Change::Register),
        1 => (place(), address(), word(), prop::option::of(any::<i64>())).prop_map(
            |((host, path), endpoint, instance_id, updated_at_ns)| Change::Unregister {
                host, path, endpoint, instance_id, updated_at_ns,
            }
        ),
        1 => place().prop_map(|(host, path)| Change::RemoveRoute { host, path }),
    ];
    (source(), change)
}

/// A table's changes, and the batches after it.
fn history() -> impl Strategy<Value = (Vec<Told>, Vec<Vec<Told>>)> {
    let some = |least| prop::collection::vec(told(), least..4);
    (some(0), prop::collection::vec(some(1), 0..4))
}

fn records(changes: &[Told]) -> Vec<u8> {
    let mut bytes = Vec::new();
    changes.iter().for_each(|(source, change)| encode(*source, change, &mut bytes));
    bytes
}

/// The file, and where each of its batches ends.
fn file(base: &[Told], batches: &[Vec<Told>]) -> (Vec<u8>, Vec<usize>) {
    let (mut framer, header) = Framer::new(7);
    let mut bytes = header.to_vec();
    base.chunks(2).for_each(|chunk| bytes.extend(framer.base_chunk(&records(chunk))));
    bytes.extend(framer.base_end(base.len() as u64));
    let mut ends = vec![bytes.len()];
    for batch in batches {
        bytes.extend(framer.batch(&records(batch)));
        ends.push(bytes.len());
    }
    (bytes, ends)
}

fn read_all(bytes: &[u8]) -> Result<(Vec<Told>, Contents), Refusal> {
    let mut changes = Vec::new();
    let contents = read(bytes, |source, change| changes.push((source, change)))?;
    Ok((changes, contents))
}

/// What `read_all` of a file with so many good batches gives.
fn expected(base: &[Told], batches: &[Vec<Told>]) -> Vec<Told> {
    base.iter().chain(batches.iter().flatten()).cloned().collect()
}

proptest! {
    #[test]
    fn what_is_written_is_read_again((base, batches) in history()) {
        let (bytes, _) = file(&base, &batches);
        let (changes, contents) = read_all(&bytes).unwrap();
        prop_assert_eq!(contents.changes, changes.len() as u64);
        prop_assert_eq!(changes, expected(&base, &batches));
        prop_assert_eq!((contents.tail, contents.bytes), (Tail::Whole, bytes.len() as u64));
    }

    #[test]
    fn a_file_cut_anywhere_gives_its_whole_batches((base, batches) in history(), at in any::<prop::sample::Index>()) {
        let (bytes, ends) = file(&base, &batches);
        let cut = at.index(bytes.len());
        let whole = ends.iter().filter(|end| **end <= cut).count();
        match read_all(&bytes[..cut]) {
            Err(Refusal::Damaged(_) | Refusal::Foreign) => prop_assert_eq!(whole, 0),
            Err(other) => panic!("{other}"),
            Ok((changes, contents)) => {
                prop_assert_eq!(changes, expected(&base, &batches[..whole - 1]));
                let tail = if ends.contains(&cut) { Tail::Whole } else { Tail::Torn };
                prop_assert_eq!((contents.tail, contents.bytes), (tail, ends[whole - 1] as u64));
            }
        }
    }

    #[test]
    fn a_flipped_bit_anywhere_is_noticed((base, batches) in history(), at in any::<prop::sample::Index>(), bit in 0..8) {
        let (mut bytes, ends) = file(&base, &batches);
        let at = at.index(bytes.len());
        bytes[at] ^= 1u8 << bit;
        let whole = ends.iter().filter(|end| **end <= at).count();
        match read_all(&bytes) {
            Err(_) => prop_assert_eq!(whole, 0),
            Ok((changes, contents)) => {
                prop_assert_eq!(changes, expected(&base, &batches[..whole - 1]));
                prop_assert_eq!(contents.tail, Tail::Damaged);
            }
        }
    }

    #[test]
    fn writing_goes_on_where_reading_ended((base, batches) in history(), more in told(), torn in 0_usize..12) {
        let (mut bytes, _) = file(&base, &batches);
        bytes.extend(vec![0; torn]);
        let (_, contents) = read_all(&bytes).unwrap();
        bytes.truncate(contents.bytes as usize);
        let mut framer = contents.framer;
        bytes.extend(framer.batch(&records(std::slice::from_ref(&more))));
        let (changes, contents) = read_all(&bytes).unwrap();
        prop_assert_eq!(changes.last(), Some(&more));
        prop_assert_eq!(contents.tail, Tail::Whole);
    }

    #[test]
    fn no_bytes_make_reading_panic(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
        let _ = read_all(&bytes);
        let mut rest = &bytes[..];
        let _ = decode(&mut rest);
        // Past the checksums, as a writer with a fault would have it.
        let (mut framer, header) = Framer::new(1);
        let written = [&header[..], &framer.base_end(0), &framer.batch(&bytes)].concat();
        prop_assert!(read_all(&written).is_ok());
    }
}

#[test]
fn another_version_and_another_kind_of_file_are_told_apart() {
    let (mut bytes, _) = file(&[], &[]);
    bytes[8] = 2;
    assert!(matches!(read_all(&bytes), Err(Refusal::Version(2))));
    assert!(matches!(read_all(b"[[route]]\nhost = \"a.test\"\n"), Err(Refusal::Foreign)));
    assert!(matches!(read_all(b""), Err(Refusal::Foreign)));
}

#[test]
fn frames_of_another_file_or_in_another_place_are_not_taken() {
    let told = (
        Source::Admin,
        Change::RemoveRoute { host: "a".parse().unwrap(), path: "/".parse().unwrap() },
    );
    let (mut framer, header) = Framer::new(1);
    let end = framer.base_end(0);
    let batch = framer.batch(&records(&[told]));
    let twice = [&header[..], &end, &batch, &batch].concat();
    let (changes, contents) = read_all(&twice).unwrap();
    assert_eq!((changes.len(), contents.tail), (1, Tail::Damaged));
    let (mut other, _) = Framer::new(2);
    let mixed = [&header[..], &end, &other.base_end(0)].concat();
    assert_eq!(read_all(&mixed).unwrap().1.tail, Tail::Damaged);
}

#[test]
fn a_table_of_another_length_than_it_says_is_damaged() {
    for says in [0, 2] {
        let (mut framer, header) = Framer::new(1);
        let told = (
            Source::Admin,
            Change::RemoveRoute { host: "a".parse().unwrap(), path: "/".parse().unwrap() },
        );
        let chunk = framer.base_chunk(&records(&[told]));
        let bytes = [&header[..], &chunk, &framer.base_end(says)].concat();
        assert!(matches!(read_all(&bytes), Err(Refusal::Damaged(_))), "one of {says}");
    }
}

#[test]
fn a_header_cut_off_behind_its_version_is_this_routers_and_damaged() {
    let (bytes, _) = file(&[], &[]);
    assert!(matches!(read_all(&bytes[..11]), Err(Refusal::Foreign)));
    assert!(matches!(read_all(&bytes[..12]), Err(Refusal::Damaged(0))));
}

/// Gives its bytes one by one, after each time the system was interrupted.
struct Interrupted<'b>(&'b [u8], bool);

impl io::Read for Interrupted<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        self.1 = !self.1;
        if self.1 {
            return Err(io::ErrorKind::Interrupted.into());
        }
        let most = buffer.len().min(1);
        self.0.read(&mut buffer[..most])
    }
}

/// A disk that fails behind its first bytes.
struct Failing<'b>(&'b [u8]);

impl io::Read for Failing<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        match self.0.read(buffer)? {
            0 => Err(io::ErrorKind::TimedOut.into()),
            read => Ok(read),
        }
    }
}

#[test]
fn an_interruption_is_no_end_and_a_failing_disk_is_not_taken_for_one() {
    let (bytes, _) = file(&[], &[]);
    let contents = read(Interrupted(&bytes, false), |_, _| {}).unwrap();
    assert_eq!(contents.bytes, bytes.len() as u64);
    for whole in [0, 10, 24, bytes.len()] {
        let refused = read(Failing(&bytes[..whole]), |_, _| {});
        assert!(matches!(refused, Err(Refusal::Io(_))), "{whole} bytes");
    }
}
