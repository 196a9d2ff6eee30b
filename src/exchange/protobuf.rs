//! Protocol Buffers, the writing of what a message may hold
//! (<https://protobuf.dev/programming-guides/encoding/>).

/// The fields of a message, one behind the other.
#[derive(Debug, Default)]
pub struct Message(Vec<u8>);

/// Wire types.
const VARINT: u64 = 0;
const BYTES: u64 = 2;

impl Message {
    /// An integer or the number of an enumeration.
    pub fn integer(mut self, field: u64, value: i64) -> Self {
        self.varint(field << 3 | VARINT);
        // Negative numbers are written as 64 bits.
        self.varint(value as u64);
        self
    }

    /// A text or other bytes.
    pub fn bytes(mut self, field: u64, value: impl AsRef<[u8]>) -> Self {
        self.varint(field << 3 | BYTES);
        self.varint(value.as_ref().len() as u64);
        self.0.extend_from_slice(value.as_ref());
        self
    }

    /// A message within this one.
    pub fn message(self, field: u64, value: Message) -> Self {
        self.bytes(field, value.0)
    }

    /// Each of the values as the same field.
    pub fn repeated<T>(self, values: impl IntoIterator<Item = T>, add: impl Fn(Self, T) -> Self) -> Self {
        values.into_iter().fold(self, add)
    }

    /// The bytes of the message.
    pub fn into_bytes(self) -> Vec<u8> {
        self.0
    }

    fn varint(&mut self, mut value: u64) {
        while value >= 0x80 {
            self.0.push(value as u8 | 0x80);
            value >>= 7;
        }
        self.0.push(value as u8);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    // The examples of the encoding's description, under "A Simple Message", "Length-Delimited Records", "Submessages" and
    // "Signed Integers".
    #[test]
    fn messages_are_written_as_described() {
        let written = |message: Message| message.into_bytes();
        let test1 = || Message::default().integer(1, 150);
        assert_eq!(written(test1()), [0x08, 0x96, 0x01]);
        let test2 = Message::default().bytes(2, "testing");
        assert_eq!(written(test2), [&[0x12, 0x07], &b"testing"[..]].concat());
        assert_eq!(
            written(Message::default().message(3, test1())),
            [0x1a, 0x03, 0x08, 0x96, 0x01]
        );
        let minus_two = [0x08, 0xfe, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x01];
        assert_eq!(written(Message::default().integer(1, -2)), minus_two);
        let several = Message::default().repeated([3, 270], |message, value| message.integer(6, value));
        assert_eq!(written(several), [0x30, 3, 0x30, 0x8e, 0x02]);
    }
}
