//! Any bytes as a snapshot of live routes: refused, or read; and what was read
//! is written and read again as it was, however the bytes are cut.

use pointsman::registry::snapshot::{Framer, Refusal, decode, encode, read};
use pointsman::registry::{Change, Source};

/// A choice, then: the bytes of a file, or of records behind sound checksums.
pub fn run(data: &[u8]) {
    let Some((choice, bytes)) = data.split_first() else { return };
    if choice % 2 == 0 {
        if let Ok((changes, _)) = read_all(bytes) {
            again(&changes);
        }
        return;
    }
    let (mut framer, header) = Framer::new(u64::from(*choice));
    let file = [&header[..], &framer.base_end(0), &framer.batch(bytes)].concat();
    let (changes, counted) = read_all(&file).unwrap();
    assert_eq!(changes.is_empty(), counted != file.len() as u64 || bytes.is_empty());
    again(&changes);
    let mut rest = bytes;
    while let Ok((source, change)) = decode(&mut rest) {
        again(&[(source, change)]);
    }
}

type Told = (Source, Change);

fn read_all(bytes: &[u8]) -> Result<(Vec<Told>, u64), Refusal> {
    let mut changes = Vec::new();
    let contents = read(bytes, |source, change| changes.push((source, change)))?;
    assert_eq!(contents.changes, changes.len() as u64);
    assert!(contents.base_bytes <= contents.bytes && contents.bytes <= bytes.len() as u64);
    Ok((changes, contents.bytes))
}

/// Each change a batch of its own, cut at the middle of the last.
fn again(changes: &[Told]) {
    let (mut framer, header) = Framer::new(7);
    let mut file = [&header[..], &framer.base_end(0)].concat();
    let mut last = file.len();
    for (source, change) in changes {
        let mut record = Vec::new();
        encode(*source, change, &mut record);
        let mut rest = &record[..];
        assert_eq!(decode(&mut rest), Ok((*source, change.clone())));
        assert!(rest.is_empty());
        last = file.len();
        file.extend(framer.batch(&record));
    }
    assert_eq!(read_all(&file).unwrap(), (changes.to_vec(), file.len() as u64));
    if let Some((_, whole)) = changes.split_last() {
        let cut = last + (file.len() - last) / 2;
        assert_eq!(read_all(&file[..cut]).unwrap(), (whole.to_vec(), last as u64));
    }
}
