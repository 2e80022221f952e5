//! Makes the committed protobuf code, so that nobody who builds the crates needs a generator.

use std::fs;
use std::path::Path;

use anyhow::Context;

/// Generates the code of the wire's own services, of the bare pair that they are compared with, and of the
/// example with a proto of its own, below `root`.
pub(crate) fn run(root: &Path) -> anyhow::Result<()> {
    wire(root)?;
    bare(root)?;
    counter(root)
}

fn wire(root: &Path) -> anyhow::Result<()> {
    let protos = root.join("crates/jackfield-process/proto");
    let output = root.join("crates/jackfield-process/src/grpc/generated");
    fs::create_dir_all(&output)?;

    let mut compiler = protox::Compiler::new([protos])?;
    compiler
        .include_imports(true)
        .include_source_info(false)
        .open_files(FILES)
        .context("a proto file is wrong")?;
    fs::write(output.join("wire.bin"), compiler.encode_file_descriptor_set())?;
    tonic_prost_build::configure()
        .bytes(".")
        .codec_path("crate::grpc::WireCodec")
        .out_dir(&output)
        .emit_rerun_if_changed(false)
        .compile_fds(compiler.file_descriptor_set())
        .context("the code could not be generated")?;
    fs::rename(output.join("plugin.rs"), output.join("go_plugin.rs"))?;
    fs::rename(output.join("grpc.health.v1.rs"), output.join("health.rs"))?;
    Ok(())
}

/// The key-value service with nothing around it.
fn bare(root: &Path) -> anyhow::Result<()> {
    let output = root.join("benches/src/generated");
    fs::create_dir_all(&output)?;
    let files = protox::compile(["kv.proto"], [root.join("fixtures/go/newest/proto")])?;
    tonic_prost_build::configure()
        .bytes(".")
        .out_dir(&output)
        .emit_rerun_if_changed(false)
        .compile_fds(files)
        .context("the code could not be generated")?;
    fs::rename(output.join("proto.rs"), output.join("kv.rs"))?;
    Ok(())
}

/// The counter of the example.
fn counter(root: &Path) -> anyhow::Result<()> {
    let output = root.join("examples/counter/src/generated");
    fs::create_dir_all(&output)?;
    let mut compiler = protox::Compiler::new([root.join("fixtures/go/newest/counterproto")])?;
    compiler.include_source_info(false).open_file("counter.proto").context("a proto file is wrong")?;
    fs::write(output.join("counter.bin"), compiler.encode_file_descriptor_set())?;
    tonic_prost_build::configure()
        .bytes(".")
        .out_dir(&output)
        .emit_rerun_if_changed(false)
        .compile_fds(compiler.file_descriptor_set())
        .context("the code could not be generated")?;
    fs::rename(output.join("proto.rs"), output.join("counter.rs"))?;
    Ok(())
}

const FILES: [&str; 2] = ["go_plugin.proto", "health.proto"];
