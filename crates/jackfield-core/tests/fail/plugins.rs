//! What a plugin cannot export, and how an implementation cannot look.

use jackfield_macros::{Portable, export, plugin, symbol};

struct Store;

#[plugin]
impl Store {
    async fn get(&self) -> Result<(), ()> {
        Ok(())
    }
}

#[plugin]
impl Clone for Store {
    async fn clone() -> Self {
        Self
    }

    async fn clone_from(&self, _: u8) {}
}

#[symbol]
async unsafe fn run<T>(&self, a: &mut T, b: u8, c: u8, d: u8, e: u8, f: u8, g: u8, h: u8) {}

#[symbol]
static mut COUNT: u32 = 0;

#[symbol]
pub struct Name;

#[symbol(colour = "red")]
pub fn coloured() {}

#[derive(Portable)]
struct Pair<T>(T, T);

#[derive(Portable)]
enum Colour {
    Red,
}

#[derive(Portable)]
struct Many(u8, u8, u8, u8, u8, u8, u8, u8, u8, u8, u8, u8, u8);

export!();
export!(run());
export!(run, colour = "red");
export!(run, runtime = smol);

fn main() {}
