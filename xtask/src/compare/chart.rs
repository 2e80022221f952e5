//! Draws the results of one group of keys as SVG.
//!
//! Each key is a panel with a scale of its own: a bar per side up to the median, a dot per round, and a dashed line
//! at the bound. The colours are readable on light and on dark pages.

use super::results::{Measured, Sample};
use super::table;

/// A drawing of these results.
pub(crate) fn draw(group: &str, measured: &[&Measured]) -> String {
    let height = TOP + PANEL * measured.len() as f64 + 10.0;
    let panels: String = measured
        .iter()
        .enumerate()
        .map(|(index, measured)| panel(measured, TOP + PANEL * index as f64))
        .collect();
    format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {WIDTH} {height}\" \
         font-family=\"system-ui, sans-serif\" font-size=\"12\" fill=\"{TEXT}\">\n\
         <title>{group}: ours and the peers, each key on a scale of its own</title>\n\
         <text x=\"10\" y=\"20\" font-size=\"15\" font-weight=\"bold\">{group}</text>\n{}{panels}</svg>\n",
        legend(),
    )
}

fn legend() -> String {
    let entry = |x: f64, colour: &str, text: &str| {
        format!(
            "<rect x=\"{x}\" y=\"10\" width=\"12\" height=\"12\" fill=\"{colour}\"/>\
             <text x=\"{}\" y=\"20\">{text}</text>\n",
            x + 18.0
        )
    };
    let line = dashed(LEFT + 150.0, 8.0, 24.0);
    let text = format!("<text x=\"{}\" y=\"20\">bound</text>\n", LEFT + 158.0);
    entry(LEFT, OURS, "ours") + &entry(LEFT + 70.0, PEER, "peer") + &line + &text
}

fn panel(measured: &Measured, top: f64) -> String {
    let samples = || [Some(&measured.ours), measured.peer.as_ref()].into_iter().flatten();
    let limit = measured.limit().unwrap_or(0.0);
    let most = samples().map(|sample| sample.highest).fold(limit, f64::max);
    // A little room at the right; where everything is zero any scale will do.
    let scale = if most > 0.0 { (RIGHT - LEFT) / (most * 1.05) } else { 1.0 };
    let name = measured.key.name;
    let peer = measured.key.peer.map_or(String::new(), |peer| escape(peer.name));
    let mut drawing = format!(
        "<text x=\"10\" y=\"{}\" font-family=\"monospace\">{name}</text>\n\
         <text x=\"10\" y=\"{}\" font-size=\"11\">{}</text>\n",
        top + 14.0,
        top + 30.0,
        if peer.is_empty() { String::new() } else { format!("against {peer}") },
    );
    for (index, (sample, colour)) in samples().zip([OURS, PEER]).enumerate() {
        drawing += &bar(sample, top + 4.0 + BAR * index as f64, scale, colour);
        let label = format!("{} {}", table::number(sample.median), measured.key.unit);
        let y = top + 15.0 + BAR * index as f64;
        drawing += &format!("<text x=\"{}\" y=\"{y:.0}\">{label}</text>\n", RIGHT + 10.0);
    }
    if measured.limit().is_some() {
        drawing += &dashed(LEFT + limit * scale, top, top + PANEL - 8.0);
    }
    drawing
}

fn bar(sample: &Sample, y: f64, scale: f64, colour: &str) -> String {
    let width = sample.median * scale;
    let dots = sample.rounds.iter().map(|value| {
        let (x, y) = (LEFT + value * scale, y + (BAR - 2.0) / 2.0);
        format!(
            "<circle cx=\"{x:.1}\" cy=\"{y:.1}\" r=\"3\" fill=\"{colour}\" stroke=\"{TEXT}\" stroke-width=\"0.7\"/>\n"
        )
    });
    let dots: String = dots.collect();
    format!(
        "<rect x=\"{LEFT}\" y=\"{y:.1}\" width=\"{width:.1}\" height=\"{:.1}\" fill=\"{colour}\" fill-opacity=\"0.55\"/>\n\
         {dots}",
        BAR - 2.0
    )
}

fn dashed(x: f64, from: f64, to: f64) -> String {
    format!(
        "<line x1=\"{x:.1}\" y1=\"{from}\" x2=\"{x:.1}\" y2=\"{to}\" stroke=\"{LIMIT}\" stroke-width=\"1.5\" \
         stroke-dasharray=\"4 2\"/>\n"
    )
}

fn escape(text: &str) -> String {
    text.replace('`', "").replace('&', "&amp;").replace('<', "&lt;")
}

const WIDTH: f64 = 860.0;
const LEFT: f64 = 290.0;
const RIGHT: f64 = 740.0;
const TOP: f64 = 36.0;
const PANEL: f64 = 46.0;
const BAR: f64 = 16.0;
const TEXT: &str = "#7d8590";
const OURS: &str = "#2f81f7";
const PEER: &str = "#9a8c7c";
const LIMIT: &str = "#d1544b";
