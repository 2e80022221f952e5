//! Numbers that stand for types and field numbers: what two builds compare before they trust each other's layout.
//!
//! FNV-1a with 64 bits over a text that describes the type. Two types that differ and have one number by accident are
//! less likely than a memory error; a library that lies about its types could lie about its code as well.

/// The number of a type of this name.
pub const fn of(name: &str) -> u64 {
    bytes(START, name.as_bytes())
}

/// The number of a tuple of types.
pub const fn tuple(fields: &[u64]) -> u64 {
    list(bytes(START, b"("), fields)
}

/// The number of a list of field numbers: arguments in another order must not cross directly, where only their place
/// counts.
pub const fn fields(numbers: &[u32]) -> u64 {
    let mut hash = START;
    let mut index = 0;
    while index < numbers.len() {
        hash = bytes(hash, &numbers[index].to_le_bytes());
        index += 1;
    }
    hash
}

/// The number of a method with arguments of this number, a result of this name, and fields of this number.
pub const fn method(arguments: u64, output: &str, fields: u64) -> u64 {
    list(bytes(START, b"fn"), &[arguments, of(output), fields])
}

/// What stands for the types of a method in the schema, folded to what an entry has room for. It is never 0, which stands
/// for types that are not known.
pub const fn types(of: &[u64]) -> u32 {
    let whole = tuple(of);
    let folded = (whole ^ (whole >> 32)) as u32;
    if folded == 0 { 1 } else { folded }
}

const fn list(mut hash: u64, numbers: &[u64]) -> u64 {
    let mut index = 0;
    while index < numbers.len() {
        hash = bytes(hash, &numbers[index].to_le_bytes());
        index += 1;
    }
    hash
}

const fn bytes(mut hash: u64, bytes: &[u8]) -> u64 {
    let mut index = 0;
    while index < bytes.len() {
        hash = (hash ^ bytes[index] as u64).wrapping_mul(0x0100_0000_01b3);
        index += 1;
    }
    hash
}

const START: u64 = 0xcbf2_9ce4_8422_2325;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_differs_has_another_number() {
        let (a, b) = (of("i64"), of("u64"));
        let all =
            [a, b, tuple(&[a]), tuple(&[a, b]), tuple(&[b, a]), tuple(&[tuple(&[a]), b]), fields(&[1, 2])];
        for (index, number) in all.iter().enumerate() {
            assert!(!all[..index].contains(number), "{index}");
        }
    }
}
