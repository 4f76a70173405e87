//! A profile as `pprof` reads it: the protocol buffer of
//! `github.com/google/pprof/proto/profile.proto`, written without a library,
//! since it takes two of the format's wire types and eight of its messages.

use std::collections::HashMap;
use std::time::Duration;

/// A place in the program.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) struct Frame {
    /// The function.
    pub(super) name: String,
    /// Its source file.
    pub(super) file: String,
    /// The line in it, 0 if unknown.
    pub(super) line: u32,
}

/// A profile in the making. Every table is written as it grows; the order of
/// fields means nothing in the format.
pub(super) struct Message {
    out: Vec<u8>,
    strings: HashMap<String, u64>,
    functions: HashMap<(String, String), u64>,
    /// By the frames at one address: inlined functions, innermost first.
    locations: HashMap<Vec<Frame>, u64>,
    nanos_per_sample: i64,
}

/// Field numbers of the message `Profile`.
mod profile {
    pub(super) const SAMPLE_TYPE: u32 = 1;
    pub(super) const SAMPLE: u32 = 2;
    pub(super) const MAPPING: u32 = 3;
    pub(super) const LOCATION: u32 = 4;
    pub(super) const FUNCTION: u32 = 5;
    pub(super) const STRING_TABLE: u32 = 6;
    pub(super) const TIME_NANOS: u32 = 9;
    pub(super) const DURATION_NANOS: u32 = 10;
    pub(super) const PERIOD_TYPE: u32 = 11;
    pub(super) const PERIOD: u32 = 12;
}

/// Field numbers of the message `Mapping`.
mod mapping {
    pub(super) const ID: u32 = 1;
    pub(super) const MEMORY_LIMIT: u32 = 3;
    pub(super) const FILENAME: u32 = 5;
    /// That functions, files, lines and inlined frames are all named.
    pub(super) const HAS: [u32; 4] = [7, 8, 9, 10];
}

/// The one mapping.
const PROGRAM: u64 = 1;

impl Message {
    /// A CPU profile with so many samples per second.
    pub(super) fn new(frequency_hz: i32) -> Self {
        let mut message = Self {
            out: Vec::new(),
            strings: HashMap::new(),
            functions: HashMap::new(),
            locations: HashMap::new(),
            nanos_per_sample: 1_000_000_000 / i64::from(frequency_hz.max(1)),
        };
        // The first string must be the empty one.
        message.string("");
        let samples = message.value_type("samples", "count");
        let cpu = message.value_type("cpu", "nanoseconds");
        bytes(&mut message.out, profile::SAMPLE_TYPE, &samples);
        bytes(&mut message.out, profile::SAMPLE_TYPE, &cpu);
        bytes(&mut message.out, profile::PERIOD_TYPE, &cpu);
        message.program();
        message
    }

    /// Adds `count` samples of one stack, innermost first, of one thread.
    pub(super) fn sample(&mut self, stack: &[Vec<Frame>], thread: &str, count: i64) {
        let mut locations = Vec::new();
        for frames in stack {
            varint(&mut locations, self.location(frames));
        }
        let mut values = Vec::new();
        varint(&mut values, count as u64);
        varint(&mut values, count.saturating_mul(self.nanos_per_sample) as u64);
        let mut label = Vec::new();
        number(&mut label, 1, self.string("thread"));
        number(&mut label, 2, self.string(thread));
        let mut sample = Vec::new();
        bytes(&mut sample, 1, &locations);
        bytes(&mut sample, 2, &values);
        bytes(&mut sample, 3, &label);
        bytes(&mut self.out, profile::SAMPLE, &sample);
    }

    /// The whole file, for a profile begun `start` after 1970.
    pub(super) fn finish(mut self, start: Duration, duration: Duration) -> Vec<u8> {
        let nanos = |time: Duration| u64::try_from(time.as_nanos()).unwrap_or(u64::MAX);
        number(&mut self.out, profile::TIME_NANOS, nanos(start));
        number(&mut self.out, profile::DURATION_NANOS, nanos(duration));
        number(&mut self.out, profile::PERIOD, self.nanos_per_sample as u64);
        self.out
    }

    /// The program as one mapping, all of whose names are here already.
    ///
    /// Without it `pprof PROGRAM FILE` looks the addresses up in the program;
    /// there are none here, and every sample would be of its first function.
    fn program(&mut self) {
        let mut mapping = Vec::new();
        number(&mut mapping, mapping::ID, PROGRAM);
        number(&mut mapping, mapping::MEMORY_LIMIT, u64::MAX);
        number(&mut mapping, mapping::FILENAME, self.string(env!("CARGO_PKG_NAME")));
        for has in mapping::HAS {
            number(&mut mapping, has, 1);
        }
        bytes(&mut self.out, profile::MAPPING, &mapping);
    }

    fn value_type(&mut self, kind: &str, unit: &str) -> Vec<u8> {
        let mut value_type = Vec::new();
        number(&mut value_type, 1, self.string(kind));
        number(&mut value_type, 2, self.string(unit));
        value_type
    }

    fn string(&mut self, text: &str) -> u64 {
        if let Some(known) = self.strings.get(text) {
            return *known;
        }
        let index = self.strings.len() as u64;
        self.strings.insert(text.to_owned(), index);
        bytes(&mut self.out, profile::STRING_TABLE, text.as_bytes());
        index
    }

    fn function(&mut self, frame: &Frame) -> u64 {
        let key = (frame.name.clone(), frame.file.clone());
        if let Some(known) = self.functions.get(&key) {
            return *known;
        }
        let id = self.functions.len() as u64 + 1;
        self.functions.insert(key, id);
        let mut function = Vec::new();
        number(&mut function, 1, id);
        number(&mut function, 2, self.string(&frame.name));
        number(&mut function, 4, self.string(&frame.file));
        bytes(&mut self.out, profile::FUNCTION, &function);
        id
    }

    fn location(&mut self, frames: &[Frame]) -> u64 {
        if let Some(known) = self.locations.get(frames) {
            return *known;
        }
        let id = self.locations.len() as u64 + 1;
        self.locations.insert(frames.to_vec(), id);
        let mut location = Vec::new();
        number(&mut location, 1, id);
        number(&mut location, 2, PROGRAM);
        for frame in frames {
            let mut line = Vec::new();
            number(&mut line, 1, self.function(frame));
            number(&mut line, 2, u64::from(frame.line));
            bytes(&mut location, 4, &line);
        }
        bytes(&mut self.out, profile::LOCATION, &location);
        id
    }
}

/// A number: seven bits a byte, least significant first.
fn varint(out: &mut Vec<u8>, mut value: u64) {
    while value >= 0x80 {
        out.push(value as u8 | 0x80);
        value >>= 7;
    }
    out.push(value as u8);
}

/// A field of wire type 0.
fn number(out: &mut Vec<u8>, field: u32, value: u64) {
    varint(out, u64::from(field) << 3);
    varint(out, value);
}

/// A field of wire type 2: text, a message, or packed numbers.
fn bytes(out: &mut Vec<u8>, field: u32, value: &[u8]) {
    varint(out, u64::from(field) << 3 | 2);
    varint(out, value.len() as u64);
    out.extend_from_slice(value);
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A field: its number, and what it holds.
    #[derive(Clone, Debug, PartialEq)]
    enum Field {
        Number(u64, u64),
        Bytes(u64, Vec<u8>),
    }

    fn read_varint(bytes: &mut &[u8]) -> u64 {
        let mut value = 0;
        for shift in (0..64).step_by(7) {
            let (first, rest) = bytes.split_first().unwrap();
            *bytes = rest;
            value |= u64::from(first & 0x7f) << shift;
            if first & 0x80 == 0 {
                return value;
            }
        }
        panic!("a number of more than 64 bits")
    }

    fn fields(mut bytes: &[u8]) -> Vec<Field> {
        let mut fields = Vec::new();
        while !bytes.is_empty() {
            let key = read_varint(&mut bytes);
            let value = read_varint(&mut bytes);
            fields.push(match key & 7 {
                0 => Field::Number(key >> 3, value),
                2 => {
                    let (held, rest) = bytes.split_at(value as usize);
                    bytes = rest;
                    Field::Bytes(key >> 3, held.to_vec())
                }
                other => panic!("wire type {other}"),
            });
        }
        fields
    }

    fn all(message: &[u8], field: u32) -> Vec<Vec<u8>> {
        let held = fields(message).into_iter().filter_map(|f| match f {
            Field::Bytes(number, held) if number == u64::from(field) => Some(held),
            _ => None,
        });
        held.collect()
    }

    fn frame(name: &str, line: u32) -> Frame {
        Frame { name: name.into(), file: "src/x.rs".into(), line }
    }

    #[test]
    fn numbers_of_any_size_come_back() {
        for value in [0, 1, 127, 128, 300, u64::from(u32::MAX), u64::MAX] {
            let mut out = Vec::new();
            varint(&mut out, value);
            assert_eq!(read_varint(&mut out.as_slice()), value);
        }
    }

    #[test]
    fn what_is_named_twice_is_written_once() {
        let mut message = Message::new(100);
        let inlined = vec![frame("inner", 3), frame("outer", 9)];
        let stacks = [vec![inlined.clone(), vec![frame("main", 1)]], vec![vec![frame("main", 1)]]];
        message.sample(&stacks[0], "worker-0", 7);
        message.sample(&stacks[1], "worker-0", 1);
        let whole = message.finish(Duration::from_secs(5), Duration::from_secs(1));
        let strings = all(&whole, profile::STRING_TABLE);
        assert_eq!(strings[0], b"", "the first string is the empty one");
        assert_eq!(strings.iter().filter(|text| **text == b"main").count(), 1);
        assert_eq!(all(&whole, profile::FUNCTION).len(), 3);
        let locations = all(&whole, profile::LOCATION);
        assert_eq!(locations.len(), 2);
        let mappings = all(&whole, profile::MAPPING);
        for has in mapping::HAS {
            let named = Field::Number(u64::from(has), 1);
            assert!(fields(&mappings[0]).contains(&named), "nobody need look for names");
        }
        for location in &locations {
            assert!(fields(location).contains(&Field::Number(2, PROGRAM)), "it is in the program");
        }
        assert_eq!(all(&locations[0], 4).len(), 2, "an inlined function is a line of its own");
        let samples = all(&whole, profile::SAMPLE);
        assert_eq!(all(&samples[0], 1), [[1, 2]]);
        assert_eq!(all(&samples[1], 1), [[2]]);
        let values = all(&samples[0], 2).remove(0);
        let mut rest = values.as_slice();
        assert_eq!((read_varint(&mut rest), read_varint(&mut rest)), (7, 70_000_000));
        assert!(fields(&whole).contains(&Field::Number(u64::from(profile::PERIOD), 10_000_000)));
        let duration = Field::Number(u64::from(profile::DURATION_NANOS), 1_000_000_000);
        assert!(fields(&whole).contains(&duration));
    }
}
