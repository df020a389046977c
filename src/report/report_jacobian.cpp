// jacobian: which motifs matter, and for which genes.
#include <algorithm>
#include <cmath>
#include <numeric>
#include <set>

#include <fmt/format.h>

#include "mpira/base/error.hpp"

#include "report/report_cluster.hpp"
#include "report/report_file.hpp"
#include "report/report_statistics.hpp"
#include "report/resampled_figures.hpp"

namespace mpira::report {
namespace {

constexpr char const* kAccessibility = "accessibility";
constexpr std::uint64_t kValuesAtOnce = 1 << 20;
constexpr std::uint64_t kMostGenes = 50, kMostMotifs = 40;

/// Genes x features: uns/gene_by_motif of a finished campaign, the done rows otherwise. Outputs of a gene's
/// own strand, where a file has both.
class GeneMatrix {
public:
    explicit GeneMatrix(ReportFile const& file) : file_(file), width_(file.rows->variables().size()) {
        by_gene_ = file.status.finished && file.rows->reader().contains("uns/gene_by_motif");
        auto const& reader = file.rows->reader();
        if (by_gene_) {
            for (auto const row : reader.integers("uns/gene_first_row"))
                entries_.push_back({entries_.size(), static_cast<std::uint64_t>(row)});
            bool const fits =
                std::ranges::all_of(entries_,
                                    [&](auto one) { return one.row < file.rows->names().size(); }) &&
                reader.info("uns/gene_by_motif").shape == std::vector<std::uint64_t>{entries_.size(), width_};
            require(fits, fmt::format("{}: uns/gene_by_motif, uns/gene_first_row and obs don't fit together",
                                      file.file.string()));
        } else {
            for (auto const row : file.rows->chosen()) entries_.push_back({row, row});
        }
        stored_ = by_gene_ ? entries_.size() : file.rows->rows().layout().rows;
        if (auto const* const own = file.rows->find("own_output"))
            std::erase_if(entries_, [&](auto one) { return !(own->number(one.row) > 0); });
        if (auto const* const types = file.rows->find("cell_type")) {
            std::set<std::string> names;
            for (auto const row : file.rows->chosen()) names.insert(types->text(row));
            several_types_ = names.size() > 1;
        }
    }

    [[nodiscard]] std::uint64_t size() const { return entries_.size(); }
    [[nodiscard]] std::uint64_t width() const { return width_; }
    [[nodiscard]] bool by_gene() const { return by_gene_; }
    /// What they are, for people.
    [[nodiscard]] char const* noun() const {
        return !by_gene_ ? "rows" : several_types_ ? "genes of cell types" : "genes";
    }

    /// Calls visit(gene, values) for all.
    void for_each(auto const& visit) const {
        auto const at_once = std::max<std::uint64_t>(1, kValuesAtOnce / width_);
        std::vector<double> values;
        for (std::uint64_t i = 0; i < size();) {
            auto const first = entries_[i].stored;
            auto const count = std::min(at_once, stored_ - first);
            if (by_gene_)
                values = file_.rows->reader().numbers("uns/gene_by_motif", first, count);
            else
                file_.rows->rows().read("X", first, count, values);
            for (; i < size() && entries_[i].stored < first + count; ++i)
                visit(i, std::span(values).subspan((entries_[i].stored - first) * width_, width_));
        }
    }

    /// "Ptp61F", with what tells it from others of that name.
    [[nodiscard]] std::string label(std::uint64_t gene) const {
        auto const row = entries_[gene].row;
        auto const* name = file_.rows->find("gene_name");
        if (name == nullptr) return file_.rows->names()[row];
        auto text = name->text(row);
        if (text.empty() && file_.rows->find("gene_id") != nullptr)
            text = file_.rows->find("gene_id")->text(row);
        if (several_types_) text += fmt::format(" {}", file_.rows->find("cell_type")->text(row));
        if (auto const* const output = file_.rows->find("output"))
            text += fmt::format(" {}", output->text(row));
        return text;
    }

private:
    ReportFile const& file_;
    std::uint64_t width_;
    bool by_gene_ = false;
    bool several_types_ = false;
    struct Entry {
        std::uint64_t stored, row;  ///< its row in what is read, and its first one in obs
    };
    std::vector<Entry> entries_;
    std::uint64_t stored_ = 0;
};

/// Sums over all genes.
struct Sums {
    std::vector<double> norm;            ///< of each gene, accessibility left out
    std::vector<double> sum, magnitude;  ///< of each motif
};

Sums sums_of(GeneMatrix const& genes, std::vector<std::string> const& motifs) {
    Sums sums{std::vector<double>(genes.size()), std::vector<double>(genes.width()),
              std::vector<double>(genes.width())};
    genes.for_each([&](std::uint64_t gene, std::span<double const> values) {
        double squares = 0;
        for (std::size_t m = 0; m < values.size(); ++m) {
            if (!std::isfinite(values[m])) continue;
            sums.sum[m] += values[m];
            sums.magnitude[m] += std::abs(values[m]);
            if (motifs[m] != kAccessibility) squares += values[m] * values[m];
        }
        sums.norm[gene] = std::sqrt(squares);
    });
    return sums;
}

std::vector<std::uint64_t> largest(std::vector<double> const& values, std::uint64_t most) {
    std::vector<std::uint64_t> order(values.size());
    std::iota(order.begin(), order.end(), std::uint64_t{0});
    std::ranges::stable_sort(order, std::ranges::greater{},
                             [&](auto i) { return std::isfinite(values[i]) ? values[i] : -1; });
    order.resize(std::min<std::uint64_t>(order.size(), most));
    return order;
}

void add_motifs(GeneMatrix const& genes, Sums const& sums, std::vector<std::string> const& motifs,
                std::vector<std::string> const& labels, std::string const& unit, Section& section) {
    auto const order = largest(sums.magnitude, sums.magnitude.size());
    auto const count = static_cast<double>(genes.size());
    Table table{.name = "motifs",
                .title = "Motifs by their mean magnitude",
                .caption = fmt::format("Over {} {}; {}.", genes.size(), genes.noun(), unit),
                .columns = {"feature", "mean", "mean_magnitude"}};
    Figure figure{.title = "Motifs that matter most", .x = {.title = "mean contribution"}, .sideways = true};
    Series bars{.mark = Mark::bars, .width = 0.7};
    constexpr std::size_t kBars = 20;
    for (auto const m : order) {
        table.rows.push_back({motifs[m], sums.sum[m] / count, sums.magnitude[m] / count});
        if (bars.x.size() >= kBars || motifs[m] == kAccessibility) continue;
        bars.y.push_back(static_cast<double>(bars.x.size()));
        bars.x.push_back(sums.sum[m] / count);
        figure.y.names.push_back(labels[m]);
    }
    figure.caption = fmt::format(
        "Mean over {} {}, of the {} motifs with the largest mean magnitude; accessibility is in the "
        "table.",
        genes.size(), genes.noun(), bars.x.size());
    constexpr double kRow = 18, kAround = 70;
    figure.height = kAround + kRow * static_cast<double>(bars.x.size());
    figure.series = {bars};
    section.blocks.emplace_back(std::move(figure));
    section.blocks.emplace_back(std::move(table));
}

/// The genes of largest norm x the motifs of largest mean magnitude in them.
struct Excerpt {
    std::vector<std::uint64_t> genes{}, motifs{};
    std::vector<double> values{};  ///< row-major
};

Excerpt excerpt_of(GeneMatrix const& genes, Sums const& sums, std::vector<std::string> const& motifs) {
    Excerpt out{.genes = largest(sums.norm, kMostGenes)};
    std::ranges::sort(out.genes);
    std::vector<double> rows;  // of the chosen genes, whole
    std::size_t next = 0;
    genes.for_each([&](std::uint64_t gene, std::span<double const> values) {
        if (next >= out.genes.size() || out.genes[next] != gene) return;
        rows.insert(rows.end(), values.begin(), values.end());
        ++next;
    });
    std::vector<double> magnitude(genes.width());
    for (std::size_t i = 0; i < rows.size(); ++i)
        if (std::isfinite(rows[i]) && motifs[i % genes.width()] != kAccessibility)
            magnitude[i % genes.width()] += std::abs(rows[i]);
    for (auto const m : largest(magnitude, kMostMotifs))
        if (magnitude[m] > 0) out.motifs.push_back(m);
    for (std::size_t g = 0; g < out.genes.size(); ++g)
        for (auto const m : out.motifs) out.values.push_back(rows[g * genes.width() + m]);
    return out;
}

void add_heatmap(GeneMatrix const& genes, Sums const& sums, std::vector<std::string> const& motifs,
                 std::vector<std::string> const& labels, Section& section) {
    auto const chosen = excerpt_of(genes, sums, motifs);
    auto const rows = chosen.genes.size(), columns = chosen.motifs.size();
    if (rows < 2 || columns < 2) return;
    std::vector<double> turned(chosen.values.size());
    for (std::size_t r = 0; r < rows; ++r)
        for (std::size_t c = 0; c < columns; ++c) turned[c * rows + r] = chosen.values[r * columns + c];
    auto const gene_tree = average_linkage(correlation_distance(chosen.values, rows, columns), rows);
    auto const motif_tree = average_linkage(correlation_distance(turned, columns, rows), columns);

    Figure figure{.title = genes.by_gene() ? "Genes by motifs" : "Rows by motifs",
                  .caption = fmt::format(
                      "The {} of {} {} with the largest contributions x the {} of {} motifs with the largest "
                      "in them; both "
                      "ordered by average linkage on 1 - Pearson correlation, drawn at the sides.",
                      rows, genes.size(), genes.noun(), columns, motifs.size())};
    Cells cells{.rows = rows, .columns = columns, .unit = "contribution"};
    Table table{.name = "gene_by_motif",
                .title = "The matrix as drawn",
                .columns = {genes.by_gene() ? "gene" : "row"},
                .shown = kMostGenes,
                .folded = true};
    for (auto const c : motif_tree.order) {
        figure.x.names.push_back(labels[chosen.motifs[c]]);
        table.columns.push_back(motifs[chosen.motifs[c]]);
    }
    std::vector<double> magnitudes;
    for (auto const r : gene_tree.order) {
        auto const label = genes.label(chosen.genes[r]);
        figure.y.names.push_back(label);
        std::vector<Cell> line{label};
        for (auto const c : motif_tree.order) {
            auto const value = chosen.values[r * columns + c];
            cells.values.push_back(value);
            line.emplace_back(value);
            if (std::isfinite(value)) magnitudes.push_back(std::abs(value));
        }
        table.rows.push_back(std::move(line));
    }
    std::ranges::sort(magnitudes);
    constexpr double kClip = 0.98;
    cells.most = quantile(magnitudes, kClip);
    if (!(cells.most > 0)) cells.most = magnitudes.empty() ? 1 : magnitudes.back();
    figure.caption += " Colours end at the 98th percentile of magnitudes.";
    figure.cells = std::move(cells);
    auto const room = [](std::uint64_t n) { return 0.5 + 0.12 * static_cast<double>(n); };
    figure.series = {dendrogram(motif_tree, -0.6, -room(rows), true),
                     dendrogram(gene_tree, static_cast<double>(columns) - 0.4, room(columns), false)};
    constexpr double kRow = 14, kAround = 130;
    figure.height = kAround + kRow * static_cast<double>(rows) * 1.15;
    section.blocks.emplace_back(std::move(figure));
    section.blocks.emplace_back(std::move(table));
}

void add_predictions(ReportFile const& file, Section& section) {
    if (!file.has("obs/predicted") || !file.has("obs/observed")) return;
    auto const predicted = file.columns("obs/predicted", {0}).front();
    auto const observed = file.columns("obs/observed", {0}).front();
    auto const* const own = file.rows->find("own_output");
    auto const is_own = [&](std::size_t i) {
        return own == nullptr || own->number(file.rows->chosen()[i]) > 0;
    };
    std::vector<double> x, y;
    for (std::size_t i = 0; i < predicted.size(); ++i) {
        if (!std::isfinite(predicted[i]) || !std::isfinite(observed[i]) || !is_own(i)) continue;
        x.push_back(observed[i]);
        y.push_back(predicted[i]);
    }
    if (x.size() < 2) return;
    std::vector<std::uint32_t> const no_loci(x.size());
    auto const r = resampled_figures(x, y, {}, no_loci, 0, 0).pearson.value;
    auto figure = held_out_figure(
        y, x,
        fmt::format("Observed: the atlas's{}. Pearson correlation {}; whether the model saw these rows is in "
                    "its card.",
                    own != nullptr ? ", on each gene's own strand" : "",
                    std::isfinite(r) ? fmt::format("{:.3f}", r) : "not defined, one of them is constant"));
    figure.title = "Predicted and observed";
    section.blocks.emplace_back(std::move(figure));
}

}  // namespace

void add_jacobian(ReportFile const& file, ReportWish const& wish, Section& section) {
    GeneMatrix const genes(file);
    auto const& motifs = file.rows->variables();
    auto const labels = wish.labels(motifs);
    auto const sums = sums_of(genes, motifs);
    auto unit = file.text({"X_is"});
    auto const method = file.text({"attribution", "method"});
    if (!method.empty()) unit = fmt::format("{}, {}", method, unit);
    section.blocks.emplace_back(Heading{"Motifs and genes"});
    section.blocks.emplace_back(Paragraph{fmt::format("A contribution is {}.", unit)});
    add_motifs(genes, sums, motifs, labels, unit, section);
    add_heatmap(genes, sums, motifs, labels, section);
    add_predictions(file, section);
    add_links(file, wish, section);
}

}  // namespace mpira::report
