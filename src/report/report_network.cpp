// network: which motifs go together, drawn.
#include <algorithm>
#include <array>
#include <cmath>
#include <map>
#include <numbers>
#include <optional>

#include <fmt/format.h>

#include "mpira/base/error.hpp"

#include "report/report_file.hpp"
#include "report/report_statistics.hpp"

namespace mpira::report {
namespace {

constexpr std::size_t kDrawnEdges = 60, kListedEdges = 500;

struct Edge {
    std::size_t from = 0, to = 0;
    double weight = 0;
    double standardised = 0;  ///< as if both had a standard deviation of 1: magnitudes that compare
    double frequency = 0;     ///< share of the bootstraps that have it
};

/// The network that is drawn: the causal one, else the pooled correlations, else the first that is done.
struct Chosen {
    std::uint64_t row = 0;  ///< of the file
    std::string name;
    bool is_causal = false;
};

std::optional<Chosen> choose(ReportFile const& file) {
    auto const& rows = *file.rows;
    auto const& kind = rows.at("kind", "which a network has");
    auto const& type = rows.at("cell_type", "which a network has");
    std::optional<Chosen> best;
    int rank = 0;
    for (auto const row : rows.chosen()) {
        bool const pooled = type.text(row) == "all";
        auto const what = kind.text(row);
        auto const own = what == "lingam" ? 4 : what == "spearman" && pooled ? 3 : what == "spearman" ? 2 : 1;
        if (own <= rank) continue;
        rank = own;
        best = Chosen{row, rows.names()[row], what != "spearman"};
    }
    return best;
}

std::vector<Edge> edges_of(ReportFile const& file, Chosen const& chosen, std::size_t motifs) {
    auto const* const array = file.rows->rows().find("obsm/network");
    require(array != nullptr && array->row_shape == std::vector<std::uint64_t>{motifs, motifs},
            fmt::format("{}: obsm/network is not motifs x motifs in each row", file.file.string()));
    std::vector<double> weights;
    file.rows->rows().read("obsm/network", chosen.row, 1, weights);
    std::vector<double> frequency;
    auto const& reader = file.rows->reader();
    if (chosen.is_causal && file.status.finished && reader.contains("varp/lingam_frequency"))
        frequency = reader.numbers("varp/lingam_frequency");
    if (frequency.size() != weights.size()) frequency.clear();
    std::vector<double> sd;
    if (chosen.is_causal && reader.contains("uns/motif_sd")) sd = reader.numbers("uns/motif_sd");
    std::vector<Edge> edges;
    for (std::size_t i = 0; i < motifs; ++i) {
        for (std::size_t j = 0; j < motifs; ++j) {
            // Causal: [i, j] is the effect of j on i. Correlations stand there twice.
            if (i == j || (!chosen.is_causal && j < i)) continue;
            auto const weight = weights[i * motifs + j];
            if (!std::isfinite(weight) || weight == 0) continue;
            bool const scales = sd.size() == motifs && sd[i] > 0;
            edges.push_back(
                {chosen.is_causal ? j : i, chosen.is_causal ? i : j, weight,
                 scales ? weight * sd[j] / sd[i] : weight,
                 frequency.empty() ? std::numeric_limits<double>::quiet_NaN() : frequency[i * motifs + j]});
        }
    }
    std::ranges::stable_sort(edges, std::ranges::greater{},
                             [](auto const& edge) { return std::abs(edge.standardised); });
    return edges;
}

struct Point {
    double x = 0, y = 0;
};

/// Fruchterman and Reingold's layout from a circle, with a pull to the middle: the same picture each time.
std::vector<Point> layout_of(std::size_t nodes,
                             std::vector<std::pair<std::size_t, std::size_t>> const& edges) {
    std::vector<Point> at(nodes);
    auto const n = static_cast<double>(nodes);
    for (std::size_t i = 0; i < nodes; ++i) {
        auto const angle = 2 * std::numbers::pi * static_cast<double>(i) / n;
        at[i] = {std::cos(angle), std::sin(angle)};
    }
    std::vector<double> degree(nodes);
    for (auto const& [a, b] : edges) {
        ++degree[a];
        ++degree[b];
    }
    auto const ideal = 1.5 / std::sqrt(n);
    constexpr int kRounds = 400;
    constexpr double kPull = 8, kFirstStep = 0.15, kLeast = 1e-3;
    for (int round = 0; round < kRounds; ++round) {
        std::vector<Point> force(nodes);
        for (std::size_t i = 0; i < nodes; ++i) {
            for (std::size_t j = 0; j < nodes; ++j) {
                if (i == j) continue;
                auto const dx = at[i].x - at[j].x, dy = at[i].y - at[j].y;
                auto const distance = std::max(kLeast, std::hypot(dx, dy));
                auto const push = ideal * ideal / (distance * distance);
                force[i].x += dx * push;
                force[i].y += dy * push;
            }
            force[i].x -= kPull * at[i].x * ideal;
            force[i].y -= kPull * at[i].y * ideal;
        }
        for (auto const& [a, b] : edges) {
            auto const dx = at[a].x - at[b].x, dy = at[a].y - at[b].y;
            // Those with many edges are drawn less by each: what is joined densely stays a picture.
            auto const draw = std::hypot(dx, dy) / ideal / std::sqrt(degree[a] * degree[b]);
            force[a].x -= dx * draw;
            force[a].y -= dy * draw;
            force[b].x += dx * draw;
            force[b].y += dy * draw;
        }
        auto const step = kFirstStep * (1 - static_cast<double>(round) / kRounds);
        for (std::size_t i = 0; i < nodes; ++i) {
            auto const length = std::max(kLeast, std::hypot(force[i].x, force[i].y));
            at[i].x += force[i].x / length * std::min(length, step);
            at[i].y += force[i].y / length * std::min(length, step);
        }
    }
    return at;
}

/// A line from a to b, with barbs before b where it has a direction.
void draw_edge(Series& lines, Series& heads, Point a, Point b, bool is_causal, double unit) {
    constexpr double kNone = std::numeric_limits<double>::quiet_NaN();
    auto const add = [kNone](Series& series, std::initializer_list<Point> points) {
        for (auto const& point : points) {
            series.x.push_back(point.x);
            series.y.push_back(point.y);
        }
        series.x.push_back(kNone);
        series.y.push_back(kNone);
    };
    add(lines, {a, b});
    auto const length = std::hypot(b.x - a.x, b.y - a.y);
    if (!is_causal || length <= 0) return;
    auto const ux = (b.x - a.x) / length, uy = (b.y - a.y) / length;
    auto const before = std::min(0.04 * unit, length / 3), barb = 0.028 * unit;
    Point const tip{b.x - ux * before, b.y - uy * before};
    add(heads, {{tip.x - barb * (ux - 0.6 * uy), tip.y - barb * (uy + 0.6 * ux)},
                tip,
                {tip.x - barb * (ux + 0.6 * uy), tip.y - barb * (uy - 0.6 * ux)}});
}

Figure network_figure(std::vector<Edge> const& edges, std::vector<std::string> const& motifs,
                      Chosen const& chosen) {
    std::map<std::size_t, std::size_t> node_of;
    std::vector<std::size_t> motif_of;
    std::vector<std::pair<std::size_t, std::size_t>> pairs;
    auto const drawn = std::min(edges.size(), kDrawnEdges);
    auto const node = [&](std::size_t motif) {
        auto const [at, is_new] = node_of.try_emplace(motif, motif_of.size());
        if (is_new) motif_of.push_back(motif);
        return at->second;
    };
    for (std::size_t e = 0; e < drawn; ++e) {
        auto const from = node(edges[e].from);
        pairs.emplace_back(from, node(edges[e].to));
    }
    auto const at = layout_of(motif_of.size(), pairs);
    double unit = 0;  // half of what the picture spans
    for (auto const& point : at) unit = std::max({unit, std::abs(point.x), std::abs(point.y)});

    Figure figure{.title = fmt::format("Motif network: {}", chosen.name),
                  .x = {.hidden = true},
                  .y = {.hidden = true},
                  .square = true,
                  .height = 560};
    constexpr std::array kWidths{1.0, 2.2, 4.0};
    auto const most = std::abs(edges.front().standardised), least = std::abs(edges[drawn - 1].standardised);
    for (bool const positive : {true, false}) {
        std::array<Series, kWidths.size()> series, heads;
        for (std::size_t e = 0; e < drawn; ++e) {
            if ((edges[e].weight > 0) != positive) continue;
            auto const part = most > least ? (std::abs(edges[e].standardised) - least) / (most - least) : 1;
            auto const width = std::min(kWidths.size() - 1, static_cast<std::size_t>(part * kWidths.size()));
            draw_edge(series[width], heads[width], at[pairs[e].first], at[pairs[e].second], chosen.is_causal,
                      unit);
        }
        bool is_first = true;
        for (std::size_t w = 0; w < series.size(); ++w) {
            auto& one = series[w];
            if (one.x.empty()) continue;
            one.colour = positive ? 0 : 1;
            one.size = kWidths[w];
            one.dashed = !positive;
            one.opacity = 0.75;
            if (is_first) one.name = positive ? "positive" : "negative (dashed)";
            is_first = false;
            heads[w].colour = one.colour;
            heads[w].size = one.size;
            heads[w].opacity = one.opacity;
            figure.series.push_back(std::move(one));
            if (!heads[w].x.empty()) figure.series.push_back(std::move(heads[w]));
        }
    }
    std::vector<double> strength(motif_of.size());
    for (std::size_t e = 0; e < drawn; ++e) {
        strength[pairs[e].first] += std::abs(edges[e].standardised);
        strength[pairs[e].second] += std::abs(edges[e].standardised);
    }
    // A size is a series' in a picture: three sizes of nodes.
    constexpr std::array kSizes{9.0, 13.0, 18.0};
    auto const strongest = *std::ranges::max_element(strength);
    bool has_nodes = false;
    for (std::size_t s = 0; s < kSizes.size(); ++s) {
        Series nodes{.name = has_nodes ? "" : "motif",
                     .mark = Mark::points,
                     .colour = 2,
                     .shows_labels = true,
                     .size = kSizes[s]};
        for (std::size_t i = 0; i < at.size(); ++i) {
            auto const part = static_cast<std::size_t>(strength[i] / strongest * kSizes.size());
            if (std::min(kSizes.size() - 1, part) != s) continue;
            nodes.x.push_back(at[i].x);
            nodes.y.push_back(at[i].y);
            nodes.labels.push_back(motifs[motif_of[i]]);
        }
        if (nodes.x.empty()) continue;
        has_nodes = true;
        figure.series.push_back(std::move(nodes));
    }
    figure.caption = fmt::format(
        "The {} of {} edges with the largest magnitude and their {} of {} motifs; width: magnitude of "
        "the weight{}, size: sum of the magnitudes drawn. {}Places say nothing but what is joined.",
        drawn, edges.size(), motif_of.size(), motifs.size(),
        chosen.is_causal ? ", in standard deviations of both" : "",
        chosen.is_causal ? "An arrow points to the motif that the other acts on. " : "");
    return figure;
}

}  // namespace

void add_network(ReportFile const& file, ReportWish const& wish, Section& section) {
    auto const chosen = choose(file);
    if (!chosen) return;
    auto const& motifs = file.rows->variables();
    auto const edges = edges_of(file, *chosen, motifs.size());
    section.blocks.emplace_back(Heading{"Network"});
    if (edges.empty()) {
        section.blocks.emplace_back(Paragraph{fmt::format("{} has no edges.", chosen->name)});
        return;
    }
    section.blocks.emplace_back(network_figure(edges, wish.labels(motifs), *chosen));
    Table table{.name = "edges",
                .title = fmt::format("Edges of {}", chosen->name),
                .caption = chosen->is_causal
                               ? "Weight: what a unit more of the first adds to the second; standardised, by "
                                 "which they are ordered: in standard deviations of both."
                               : "Weight: Spearman's correlation.",
                .columns = {"from", "to", "weight"}};
    if (chosen->is_causal) table.columns.emplace_back("standardised");
    bool const has_frequency = std::isfinite(edges.front().frequency);
    if (has_frequency) table.columns.emplace_back("bootstrap_frequency");
    for (std::size_t e = 0; e < std::min(edges.size(), kListedEdges); ++e) {
        std::vector<Cell> line{motifs[edges[e].from], motifs[edges[e].to], edges[e].weight};
        if (chosen->is_causal) line.emplace_back(edges[e].standardised);
        if (has_frequency) line.emplace_back(edges[e].frequency);
        table.rows.push_back(std::move(line));
    }
    if (edges.size() > kListedEdges)
        table.caption += fmt::format(" The largest {} of {}.", kListedEdges, edges.size());
    section.blocks.emplace_back(std::move(table));
    Table networks{.name = "networks",
                   .title = "Networks in the file",
                   .columns = {"network", "kind", "cell_type", "rows"},
                   .shown = 40,
                   .folded = true};
    auto const& rows = *file.rows;
    auto const& kind = rows.at("kind", "which a network has");
    auto const& type = rows.at("cell_type", "which a network has");
    auto const& count = rows.at("rows", "which a network has");
    for (auto const row : rows.chosen())
        networks.rows.push_back({rows.names()[row], kind.text(row), type.text(row),
                                 static_cast<std::int64_t>(count.number(row))});
    section.blocks.emplace_back(std::move(networks));
}

}  // namespace mpira::report
