//! A plot (SVG) of cost against size: seconds over rows, both logarithmic.

use std::{fmt::Write as _, fs, io, path::Path};

use crate::cases::{self, Case};

const WIDTH: f64 = 760.0;
const HEIGHT: f64 = 420.0;
const MARGIN: f64 = 64.0;
const SIZES: usize = 4;
/// What is shorter is drawn as this: the time of the last row is that of a file, whose clock ticks every 4 ms at best, so that
/// a small load may seem to take no time at all.
const SHORTEST: f64 = 0.004;

struct Line {
    name: &'static str,
    colour: &'static str,
    dashed: bool,
    points: Vec<(f64, f64)>,
}

/// Measures load and first synchronisation at sizes up to `rows`, and draws them.
pub(crate) fn draw(rows: u32, runs: usize, file: &Path) -> io::Result<()> {
    let line = |name, colour, dashed| Line { name, colour, dashed, points: Vec::new() };
    let mut lines = [
        line("load: bare client", "#c44", true),
        line("load: vtepd", "#c44", false),
        line("first synchronisation: bare client", "#26a", true),
        line("first synchronisation: vtepd", "#26a", false),
    ];
    let sizes = (0..SIZES).rev().map(|i| rows >> (2 * i)).filter(|size| *size >= 100);
    for size in sizes {
        for (i, case) in cases::plotted(size).iter().enumerate() {
            let case: &dyn Case = case.as_ref();
            let (reference, daemon) = cases::measure(case, runs).walls();
            lines[2 * i].points.push((size.into(), reference.max(SHORTEST)));
            lines[2 * i + 1].points.push((size.into(), daemon.max(SHORTEST)));
        }
    }
    fs::write(file, svg(&lines))
}

fn svg(lines: &[Line]) -> String {
    let points = || lines.iter().flat_map(|line| &line.points);
    let (left, right) = decades(points().map(|point| point.0));
    let (bottom, top) = decades(points().map(|point| point.1));
    let x = |rows: f64| MARGIN + (rows.log10() - left) / (right - left) * (WIDTH - 2.0 * MARGIN);
    let y = |seconds: f64| HEIGHT - MARGIN - (seconds.log10() - bottom) / (top - bottom) * (HEIGHT - 2.0 * MARGIN);
    let mut out = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {WIDTH} {HEIGHT}\" font-family=\"sans-serif\" font-size=\"12\">\n\
         <rect width=\"100%\" height=\"100%\" fill=\"white\"/>\n"
    );
    let mut draw = |text: std::fmt::Arguments<'_>| out.write_fmt(text).expect("a string takes all");
    for decade in steps(left, right) {
        let at = x(10f64.powf(decade));
        draw(format_args!("<path d=\"M{at:.1} {MARGIN}V{}\" stroke=\"#ddd\"/>\n", HEIGHT - MARGIN));
        draw(format_args!(
            "<text x=\"{at:.1}\" y=\"{}\" text-anchor=\"middle\">{}</text>\n",
            HEIGHT - MARGIN + 18.0,
            10f64.powf(decade)
        ));
    }
    for decade in steps(bottom, top) {
        let at = y(10f64.powf(decade));
        draw(format_args!("<path d=\"M{MARGIN} {at:.1}H{}\" stroke=\"#ddd\"/>\n", WIDTH - MARGIN));
        draw(format_args!(
            "<text x=\"{}\" y=\"{:.1}\" text-anchor=\"end\">{} s</text>\n",
            MARGIN - 6.0,
            at + 4.0,
            10f64.powf(decade)
        ));
    }
    for (i, Line { name, colour, dashed, points }) in (0u8..).zip(lines) {
        let path: Vec<String> =
            points.iter().map(|(rows, seconds)| format!("{:.1} {:.1}", x(*rows), y(*seconds))).collect();
        let dash = if *dashed { " stroke-dasharray=\"6 4\"" } else { "" };
        let style = format!("fill=\"none\" stroke=\"{colour}\" stroke-width=\"2\"{dash}");
        draw(format_args!("<path d=\"M{}\" {style}/>\n", path.join("L")));
        let legend = 12.0 + 13.0 * f64::from(i);
        draw(format_args!("<path d=\"M{} {legend}h28\" {style}/>\n", MARGIN + 12.0));
        draw(format_args!("<text x=\"{}\" y=\"{}\">{name}</text>\n", MARGIN + 48.0, legend + 4.0));
    }
    draw(format_args!(
        "<text x=\"{}\" y=\"{}\" text-anchor=\"middle\">rows on the switch</text>\n</svg>\n",
        WIDTH / 2.0,
        HEIGHT - 16.0
    ));
    out
}

/// The decades that these values lie between, as exponents of ten.
fn decades(values: impl Iterator<Item = f64>) -> (f64, f64) {
    let (low, high) = values.fold((f64::MAX, f64::MIN), |(low, high), value| (low.min(value), high.max(value)));
    (low.log10().floor(), high.log10().ceil().max(low.log10().floor() + 1.0))
}

fn steps(low: f64, high: f64) -> impl Iterator<Item = f64> {
    std::iter::successors(Some(low), |step| Some(step + 1.0)).take_while(move |step| *step <= high)
}
