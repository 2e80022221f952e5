//! The table of mechanisms. It is kept in `docs/mechanisms.md`; run it with `JACKFIELD_BLESS=1` to write that file anew.

use jackfield_conformance::mechanisms::Table;
use jackfield_fixtures::workspace;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[expect(clippy::print_stdout, reason = "whoever runs it sees what was measured")]
async fn every_mechanism_does_what_the_table_says() {
    let table = Table::make().await.unwrap_or_else(|error| panic!("{error:#}"));
    println!("{}", table.seen());
    let (file, page) = (workspace().join("docs/mechanisms.md"), table.page());
    if std::env::var_os("JACKFIELD_BLESS").is_some() {
        std::fs::write(&file, &page).expect("the page can be written");
    }
    let kept = std::fs::read_to_string(&file).unwrap_or_default();
    assert_eq!(kept, page, "`docs/mechanisms.md` is not what was found; JACKFIELD_BLESS=1 writes it anew");
}
