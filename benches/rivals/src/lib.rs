//! One trait as abi_stable and as stabby have it: what a host and a library share, and the library.

#![allow(non_camel_case_types, non_local_definitions, reason = "abi_stable's macros write it so")]

pub mod sabi {
    //! As abi_stable has it.

    use abi_stable::library::RootModule;
    use abi_stable::package_version_strings;
    use abi_stable::sabi_types::VersionStrings;
    use abi_stable::std_types::RBox;
    use abi_stable::{StableAbi, export_root_module, sabi_trait};
    use abi_stable::prefix_type::PrefixTypeTrait as _;

    #[sabi_trait]
    pub trait Adder: Send + Sync {
        fn add(&self, a: i64, b: i64) -> i64;
    }

    #[repr(C)]
    #[derive(StableAbi)]
    #[sabi(kind(Prefix(prefix_ref = AdderModule_Ref)))]
    #[sabi(missing_field(panic))]
    pub struct AdderModule {
        pub open: extern "C" fn() -> Adder_TO<'static, RBox<()>>,
    }

    impl RootModule for AdderModule_Ref {
        abi_stable::declare_root_module_statics! {AdderModule_Ref}
        const BASE_NAME: &'static str = "rivals";
        const NAME: &'static str = "rivals";
        const VERSION_STRINGS: VersionStrings = package_version_strings!();
    }

    #[export_root_module]
    fn root() -> AdderModule_Ref {
        AdderModule { open }.leak_into_prefix()
    }

    extern "C" fn open() -> Adder_TO<'static, RBox<()>> {
        Adder_TO::from_value(super::Wrapping, abi_stable::erased_types::TD_Opaque)
    }

    impl Adder for super::Wrapping {
        fn add(&self, a: i64, b: i64) -> i64 {
            a.wrapping_add(b)
        }
    }
}

pub mod stab {
    //! As stabby has it.

    #[stabby::stabby]
    pub trait Adder {
        extern "C" fn add(&self, a: i64, b: i64) -> i64;
    }

    impl Adder for super::Wrapping {
        extern "C" fn add(&self, a: i64, b: i64) -> i64 {
            a.wrapping_add(b)
        }
    }

    #[stabby::export]
    pub extern "C" fn stabby_adder() -> stabby::dynptr!(stabby::boxed::Box<dyn Adder>) {
        stabby::boxed::Box::new(super::Wrapping).into()
    }
}

/// Adds numbers, and keeps nothing.
#[stabby::stabby]
#[derive(Clone, Copy, Debug)]
pub struct Wrapping;
