//! A type of each kind, as ours and as prost sees it.

use std::collections::{BTreeMap, HashMap};

use jackfield_core::{Bytes, Value};
use proptest::prelude::*;

/// One field of every kind.
#[derive(Clone, Debug, PartialEq, Value)]
pub(crate) struct Everything {
    pub(crate) flag: bool,
    pub(crate) data: Bytes,
    pub(crate) double: f64,
    pub(crate) float: f32,
    pub(crate) int32: i32,
    pub(crate) int64: i64,
    pub(crate) text: String,
    pub(crate) uint32: u32,
    #[value(number = 300)]
    pub(crate) uint64: u64,
    pub(crate) maybe_text: Option<String>,
    pub(crate) maybe_number: Option<u64>,
    pub(crate) numbers: Vec<i64>,
    pub(crate) flags: Vec<bool>,
    pub(crate) doubles: Vec<f64>,
    pub(crate) texts: Vec<String>,
    pub(crate) blobs: Vec<Vec<u8>>,
    pub(crate) colour: Colour,
    pub(crate) colours: Vec<Colour>,
    pub(crate) by_name: BTreeMap<String, i32>,
    pub(crate) children: Vec<Self>,
    #[value(name = "the_shape")]
    pub(crate) shape: Option<Figure>,
    pub(crate) pair: Option<(i64, String)>,
    pub(crate) next: Option<Box<Self>>,
    pub(crate) by_number: HashMap<u32, Colour>,
}

/// An enum without data.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Value)]
pub(crate) enum Colour {
    Red,
    DeepBlue,
    Green = -3,
}

/// An enum with data.
#[derive(Clone, Debug, PartialEq, Value)]
pub(crate) enum Figure {
    Point,
    Circle(f64),
    Rectangle { width: f64, height: f64 },
    Named(String, Colour),
}

/// The same as prost sees it.
pub(crate) mod prosts {
    use super::{BTreeMap, Bytes, HashMap};

    #[derive(Clone, PartialEq, prost::Message)]
    pub(crate) struct Everything {
        #[prost(bool, tag = "1")]
        pub(crate) flag: bool,
        #[prost(bytes = "bytes", tag = "2")]
        pub(crate) data: Bytes,
        #[prost(double, tag = "3")]
        pub(crate) double: f64,
        #[prost(float, tag = "4")]
        pub(crate) float: f32,
        #[prost(int32, tag = "5")]
        pub(crate) int32: i32,
        #[prost(int64, tag = "6")]
        pub(crate) int64: i64,
        #[prost(string, tag = "7")]
        pub(crate) text: String,
        #[prost(uint32, tag = "8")]
        pub(crate) uint32: u32,
        #[prost(uint64, tag = "300")]
        pub(crate) uint64: u64,
        #[prost(string, optional, tag = "10")]
        pub(crate) maybe_text: Option<String>,
        #[prost(uint64, optional, tag = "11")]
        pub(crate) maybe_number: Option<u64>,
        #[prost(int64, repeated, tag = "12")]
        pub(crate) numbers: Vec<i64>,
        #[prost(bool, repeated, tag = "13")]
        pub(crate) flags: Vec<bool>,
        #[prost(double, repeated, tag = "14")]
        pub(crate) doubles: Vec<f64>,
        #[prost(string, repeated, tag = "15")]
        pub(crate) texts: Vec<String>,
        #[prost(bytes = "vec", repeated, tag = "16")]
        pub(crate) blobs: Vec<Vec<u8>>,
        #[prost(enumeration = "Colour", tag = "17")]
        pub(crate) colour: i32,
        #[prost(enumeration = "Colour", repeated, tag = "18")]
        pub(crate) colours: Vec<i32>,
        #[prost(btree_map = "string, int32", tag = "19")]
        pub(crate) by_name: BTreeMap<String, i32>,
        #[prost(message, repeated, tag = "20")]
        pub(crate) children: Vec<Self>,
        #[prost(message, optional, tag = "21")]
        pub(crate) shape: Option<Figure>,
        #[prost(message, optional, tag = "22")]
        pub(crate) pair: Option<Pair>,
        #[prost(message, optional, boxed, tag = "23")]
        pub(crate) next: Option<Box<Self>>,
        #[prost(map = "uint32, enumeration(Colour)", tag = "24")]
        pub(crate) by_number: HashMap<u32, i32>,
    }

    #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, prost::Enumeration)]
    #[repr(i32)]
    pub(crate) enum Colour {
        Red = 0,
        DeepBlue = 1,
        Green = -3,
    }

    #[derive(Clone, PartialEq, prost::Message)]
    pub(crate) struct Pair {
        #[prost(int64, tag = "1")]
        pub(crate) first: i64,
        #[prost(string, tag = "2")]
        pub(crate) second: String,
    }

    #[derive(Clone, PartialEq, prost::Message)]
    pub(crate) struct Figure {
        #[prost(oneof = "Kind", tags = "1, 2, 3, 4")]
        pub(crate) kind: Option<Kind>,
    }

    #[derive(Clone, PartialEq, prost::Oneof)]
    pub(crate) enum Kind {
        #[prost(message, tag = "1")]
        Point(()),
        #[prost(double, tag = "2")]
        Circle(f64),
        #[prost(message, tag = "3")]
        Rectangle(Rectangle),
        #[prost(message, tag = "4")]
        Named(Named),
    }

    #[derive(Clone, PartialEq, prost::Message)]
    pub(crate) struct Rectangle {
        #[prost(double, tag = "1")]
        pub(crate) width: f64,
        #[prost(double, tag = "2")]
        pub(crate) height: f64,
    }

    #[derive(Clone, PartialEq, prost::Message)]
    pub(crate) struct Named {
        #[prost(string, tag = "1")]
        pub(crate) name: String,
        #[prost(enumeration = "Colour", tag = "2")]
        pub(crate) colour: i32,
    }
}

impl Colour {
    fn number(self) -> i32 {
        match self {
            Self::Red => 0,
            Self::DeepBlue => 1,
            Self::Green => -3,
        }
    }
}

impl From<Figure> for prosts::Figure {
    fn from(figure: Figure) -> Self {
        let kind = match figure {
            Figure::Point => prosts::Kind::Point(()),
            Figure::Circle(radius) => prosts::Kind::Circle(radius),
            Figure::Rectangle { width, height } => {
                prosts::Kind::Rectangle(prosts::Rectangle { width, height })
            }
            Figure::Named(name, colour) => {
                prosts::Kind::Named(prosts::Named { name, colour: colour.number() })
            }
        };
        Self { kind: Some(kind) }
    }
}

impl From<Everything> for prosts::Everything {
    fn from(ours: Everything) -> Self {
        Self {
            flag: ours.flag,
            data: ours.data,
            double: ours.double,
            float: ours.float,
            int32: ours.int32,
            int64: ours.int64,
            text: ours.text,
            uint32: ours.uint32,
            uint64: ours.uint64,
            maybe_text: ours.maybe_text,
            maybe_number: ours.maybe_number,
            numbers: ours.numbers,
            flags: ours.flags,
            doubles: ours.doubles,
            texts: ours.texts,
            blobs: ours.blobs,
            colour: ours.colour.number(),
            colours: ours.colours.into_iter().map(Colour::number).collect(),
            by_name: ours.by_name,
            children: ours.children.into_iter().map(Self::from).collect(),
            shape: ours.shape.map(prosts::Figure::from),
            pair: ours.pair.map(|(first, second)| prosts::Pair { first, second }),
            next: ours.next.map(|next| Box::new(Self::from(*next))),
            by_number: ours.by_number.into_iter().map(|(key, colour)| (key, colour.number())).collect(),
        }
    }
}

fn colour() -> impl Strategy<Value = Colour> {
    prop_oneof![Just(Colour::Red), Just(Colour::DeepBlue), Just(Colour::Green)]
}

fn figure() -> impl Strategy<Value = Figure> {
    prop_oneof![
        Just(Figure::Point),
        (-1e9..1e9).prop_map(Figure::Circle),
        (-1e9..1e9, Just(0.0)).prop_map(|(width, height)| Figure::Rectangle { width, height }),
        (any::<String>(), colour()).prop_map(|(name, colour)| Figure::Named(name, colour)),
    ]
}

fn bytes() -> impl Strategy<Value = Vec<u8>> {
    proptest::collection::vec(any::<u8>(), 0..200)
}

fn list<T: std::fmt::Debug>(item: impl Strategy<Value = T>) -> impl Strategy<Value = Vec<T>> {
    proptest::collection::vec(item, 0..4)
}

/// Values whose maps have at most one entry, since the order of entries means nothing.
pub(crate) fn everything() -> impl Strategy<Value = Everything> {
    flat().prop_recursive(3, 12, 2, |inner| {
        (flat(), list(inner.clone()), proptest::option::of(inner.prop_map(Box::new)))
            .prop_map(|(flat, children, next)| Everything { children, next, ..flat })
    })
}

fn flat() -> impl Strategy<Value = Everything> {
    let scalars = (
        any::<bool>(),
        bytes().prop_map(Bytes::from),
        -1e9..1e9,
        -1e9_f32..1e9,
        any::<i32>(),
        any::<i64>(),
        any::<String>(),
        any::<u32>(),
        any::<u64>(),
    );
    let options = (any::<Option<String>>(), any::<Option<u64>>(), proptest::option::of(figure()));
    let lists =
        (list(any::<i64>()), list(any::<bool>()), list(-1e9..1e9), list(any::<String>()), list(bytes()));
    let enums = (colour(), list(colour()), any::<Option<(i64, String)>>());
    let maps = (
        proptest::collection::btree_map(any::<String>(), any::<i32>(), 0..2),
        proptest::collection::hash_map(any::<u32>(), colour(), 0..2),
    );
    (scalars, options, lists, enums, maps).prop_map(|(scalars, options, lists, enums, maps)| {
        let (flag, data, double, float, int32, int64, text, uint32, uint64) = scalars;
        let (maybe_text, maybe_number, shape) = options;
        let (numbers, flags, doubles, texts, blobs) = lists;
        let (colour, colours, pair) = enums;
        let (by_name, by_number) = maps;
        Everything {
            flag,
            data,
            double,
            float,
            int32,
            int64,
            text,
            uint32,
            uint64,
            maybe_text,
            maybe_number,
            numbers,
            flags,
            doubles,
            texts,
            blobs,
            colour,
            colours,
            by_name,
            children: Vec::new(),
            shape,
            pair,
            next: None,
            by_number,
        }
    })
}
