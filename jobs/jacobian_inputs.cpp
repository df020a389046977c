#include "jobs/jacobian_inputs.hpp"

#include <algorithm>
#include <map>
#include <numeric>

#include <fmt/format.h>
#include <fmt/ranges.h>

#include "mpira/base/checksum.hpp"
#include "mpira/base/error.hpp"
#include "mpira/base/log.hpp"
#include "mpira/base/text.hpp"

#include "jobs/model_fit.hpp"
#include "jobs/script_trust.hpp"
#include "jobs/weights_table.hpp"
#include "jobs/window_rules.hpp"

namespace mpira::jobs {
namespace {

std::uint32_t output_named(std::string_view key, std::string const& name,
                           std::vector<std::string> const& names, Settings const& settings,
                           std::filesystem::path const& weights) {
    auto const found = std::ranges::find(names, name);
    if (found == names.end())
        settings.refuse(key, fmt::format("{} has no output '{}'{}; it has {}", weights.string(), name,
                                         text::did_you_mean(name, names), fmt::join(names, ", ")));
    return static_cast<std::uint32_t>(found - names.begin());
}

}  // namespace

JacobianInputs::JacobianInputs(Settings const& settings, atlas::Atlas const& atlas, bool by_output,
                               bool gradients)
    : settings_(settings), atlas_(atlas), by_output_(by_output) {
    choose_cell_types(gradients);
    read_genes();
    make_rows();
}

void JacobianInputs::choose_cell_types(bool gradients) {
    std::map<std::filesystem::path, model::ModelCard> cards;
    auto const card_of = [&](std::filesystem::path const& file) -> model::ModelCard const& {
        auto const known = cards.find(file);
        if (known != cards.end()) return known->second;
        return cards.emplace(file, read_model(file, settings_, gradients)).first->second;
    };
    auto const single = settings_.path("model.weights");
    auto const table = settings_.path("model.weights_by_cell_type");
    auto const& named = settings_.texts("cell_types");
    if (single.empty() == table.empty())
        settings_.refuse("model.weights", "give exactly one of model.weights and model.weights_by_cell_type");
    bool is_named = true;
    if (!table.empty()) {
        auto const lines = read_weights_table(table, "model.weights_by_cell_type", "cell type");
        std::vector<std::string> known;
        for (auto const& line : lines) known.push_back(line.first);
        for (auto const& name : named.empty() ? known : named) {
            auto const found = std::ranges::find(known, name);
            if (found == known.end())
                settings_.refuse("cell_types", fmt::format("{} has no weights for '{}'{}", table.string(),
                                                           name, text::did_you_mean(name, known)));
            cell_types_.push_back({name, lines[static_cast<std::size_t>(found - known.begin())].second, {}});
        }
    } else if (named.empty()) {
        is_named = false;
        cell_types_.push_back({card_of(single).cell_type, single, {}});
    } else {
        for (auto const& name : named) cell_types_.push_back({name, single, {}});
    }
    for (std::size_t i = 0; i < cell_types_.size(); ++i) {
        auto& one = cell_types_[i];
        for (std::size_t before = 0; before < i; ++before)
            if (cell_types_[before].name == one.name)
                settings_.refuse("cell_types", fmt::format("'{}' is there twice", one.name));
        if (one.name.empty())
            settings_.refuse("cell_types", is_named
                                               ? std::string("a name is empty")
                                               : fmt::format("give one name for the rows: the card of {} "
                                                             "has no cell_type",
                                                             one.weights.string()));
        one.card = card_of(one.weights);
        require_fits(one, is_named);
        output_names_.push_back(one.card.names_of_outputs());
    }
}

void JacobianInputs::require_fits(JacobianCellType const& cell_type, bool is_named) const {
    auto const& card = cell_type.card;
    bool const needs_cell_type = card.accessibility == model::AccessibilityMode::quantitative ||
                                 card.least_accessibility_of(settings_.text("windows.regions"));
    if (needs_cell_type && !atlas_.has_cell_type(cell_type.name))
        settings_.refuse(
            "cell_types",
            fmt::format("'{}'{} is not in {}{}", cell_type.name, is_named ? "" : " (the model's own)",
                        atlas_.file().string(), text::did_you_mean(cell_type.name, atlas_.cell_types())));
    if (is_named && !needs_cell_type && !atlas_.cell_types().empty() && !atlas_.has_cell_type(cell_type.name))
        log::info(
            "cell_types: {} has no '{}'{}: the model asks for nothing of it, so that the name only tells "
            "rows apart",
            atlas_.file().string(), cell_type.name, text::did_you_mean(cell_type.name, atlas_.cell_types()));
    jobs::require_fits(card, cell_type.weights, atlas_, cell_type.name, card.accessibility, settings_,
                       "cell_types");
}

void JacobianInputs::read_genes() {
    auto const file = settings_.path("genes.file");
    if (file.empty()) {
        if (!settings_.texts("genes.types").empty())
            settings_.refuse("genes.types", "there is no genes.file to choose from");
        // perturb has no genes.value
        for (auto const* const key : {"genes.promoter_bp", "genes.value", "outputs.plus", "outputs.minus"})
            if (std::ranges::find(settings_.schema(), key, &SettingSpec::key) != settings_.schema().end())
                settings_.refuse_given(key, "is of genes, and there is no genes.file: rows are regions");
        return;
    }
    genes_ = genome::read_genes(file, atlas_.regions().chrom_names, {settings_.texts("genes.types")});
    log::info("{}: {} genes, {} starts; {}", file.string(), genes_.ids.size(), genes_.tss.size(),
              genes_.report.describe());
}

genome::WindowRules JacobianInputs::rules_of(JacobianCellType const& cell_type) const {
    return window_rules(settings_, {"windows.size", "windows.focus", "windows.max_span_bp"}, cell_type.card);
}

std::vector<std::uint32_t> JacobianInputs::outputs_of(JacobianCellType const& cell_type, char strand) const {
    auto const names = cell_type.card.names_of_outputs();
    if (!has_genes() && !by_output_) return {0};
    if (!has_genes()) {
        std::vector<std::uint32_t> outputs;
        for (auto const& name : settings_.texts("outputs.names"))
            outputs.push_back(output_named("outputs.names", name, names, settings_, cell_type.weights));
        if (outputs.empty()) {
            outputs.resize(names.size());
            std::iota(outputs.begin(), outputs.end(), 0U);
        }
        return outputs;
    }
    if (by_output_ && !settings_.texts("outputs.names").empty())
        settings_.refuse("outputs.names", "genes are read on their strands: outputs.plus, outputs.minus");
    auto const of_strand = [&](std::string_view key, std::uint32_t by_order) {
        if (auto const& name = settings_.text(key); !name.empty())
            return output_named(key, name, names, settings_, cell_type.weights);
        if (names.size() > 2)
            settings_.refuse(key,
                             fmt::format("{} has {} outputs; say which belongs to this strand: {}",
                                         cell_type.weights.string(), names.size(), fmt::join(names, ", ")));
        return names.size() == 1 ? 0 : by_order;  // '+' first, as models are trained
    };
    auto const plus = of_strand("outputs.plus", 0);
    auto const minus = of_strand("outputs.minus", 1);
    auto const own = strand == '+' ? plus : minus;
    if (!by_output_ || settings_.text("outputs.strands") == "own" || plus == minus) return {own};
    return {own, strand == '+' ? minus : plus};
}

std::vector<std::uint32_t> JacobianInputs::chosen_rows(std::uint32_t cell_type) const {
    auto const& one = cell_types_.at(cell_type);
    auto const least = one.card.least_accessibility_of(settings_.text("windows.regions"));
    return least ? atlas_.accessible_rows(one.name, *least) : atlas_.all_rows();
}

std::vector<float> JacobianInputs::accessibility(std::uint32_t cell_type) const {
    auto const& one = cell_types_.at(cell_type);
    if (one.card.accessibility != model::AccessibilityMode::quantitative) return {};
    return atlas_.accessibility(one.name);
}

void JacobianInputs::add_row(JacobianRow row, genome::FocusedWindows const& windows, std::uint32_t place) {
    row.window = windows.around(atlas_.regions(), place);
    auto const& rules = windows.rules();
    auto const outputs = outputs_of(cell_types_[row.cell_type], row.strand);  // of genes: their own first
    for (auto const output : outputs) {
        row.output = output;
        row.own_output = output == outputs.front();
        if (row.window.span_bp > rules.max_span_bp) {
            left_out_["too_wide"].push_back(row_name(row));
            continue;
        }
        if (row.window.end != genome::WindowEnd::complete && settings_.text("windows.ends") == "skip") {
            left_out_["at_ends"].push_back(row_name(row));
            continue;
        }
        if (row.window.end == genome::WindowEnd::shifted) ++shifted_;
        if (row.window.end == genome::WindowEnd::short_) ++short_;
        most_regions_ = std::max<std::uint64_t>(most_regions_, row.window.size);
        rows_.push_back(row);
    }
}

void JacobianInputs::make_rows() {
    auto const regions = atlas_.regions();
    auto const& chroms = settings_.texts("rows.chroms");
    std::vector<bool> wanted(regions.chrom_names.size(), chroms.empty());
    for (auto const& chrom : chroms) {
        auto const found = std::ranges::find(regions.chrom_names, chrom);
        if (found == regions.chrom_names.end())
            settings_.refuse("rows.chroms",
                             fmt::format("{} has no chromosome '{}'{}", atlas_.file().string(), chrom,
                                         text::chromosome_hint(chrom, regions.chrom_names)));
        wanted[static_cast<std::size_t>(found - regions.chrom_names.begin())] = true;
    }
    auto const is_wanted = [&](std::uint32_t row) {
        return wanted[static_cast<std::size_t>(regions.chrom[row])];
    };
    auto const promoters = has_genes()
                               ? genome::promoters_of(genes_, regions, settings_.integer("genes.promoter_bp"))
                               : std::vector<genome::Promoter>();
    if (has_genes() && promoters.empty())
        settings_.refuse("genes.file", fmt::format("no promoter of its {} genes meets a region of {}; is it "
                                                   "the same assembly?",
                                                   genes_.ids.size(), atlas_.file().string()));
    left_out_ = {{"too_wide", nlohmann::json::array()}, {"at_ends", nlohmann::json::array()}};
    for (auto const& cell_type : cell_types_) {
        auto const outputs = std::max(outputs_of(cell_type, '+').size(), outputs_of(cell_type, '-').size());
        most_outputs_a_row_ = std::max<std::uint64_t>(most_outputs_a_row_, outputs);
    }
    for (std::uint32_t number = 0; number < cell_types_.size(); ++number) {
        genome::FocusedWindows const windows(regions, chosen_rows(number), rules_of(cell_types_[number]));
        JacobianRow row;
        row.cell_type = number;
        auto const begin = rows_.size();
        auto const too_wide = left_out_["too_wide"].size();
        auto const at_ends = left_out_["at_ends"].size();
        std::uint64_t closed = 0;
        if (!has_genes()) {
            for (std::uint32_t place = 0; place < windows.chosen().size(); ++place) {
                row.region = windows.chosen()[place];
                row.position = (regions.start[row.region] + regions.end[row.region]) / 2;
                if (is_wanted(row.region)) add_row(row, windows, place);
            }
        }
        for (auto const& promoter : promoters) {
            if (!is_wanted(promoter.row)) continue;
            auto const place = windows.place_of(promoter.row);
            if (!place) {
                ++closed;
                continue;
            }
            row.gene = promoter.gene;
            row.region = promoter.row;
            row.strand = promoter.strand;
            row.position = promoter.position;
            row.starts = promoter.starts;
            add_row(row, windows, *place);
        }
        closed_ += closed;
        if (rows_.size() == begin)
            fail_usage(
                fmt::format("cell type '{}': no row is left: {} promoters lie in regions that it doesn't "
                            "have, {} windows "
                            "span more than windows.max_span_bp, {} meet the end of a chromosome",
                            cell_types_[number].name, closed, left_out_["too_wide"].size() - too_wide,
                            left_out_["at_ends"].size() - at_ends));
        // Rows of one gene and output follow each other: gene values are taken over runs of them.
        if (has_genes()) {
            auto gene = rows_.begin() + static_cast<std::ptrdiff_t>(begin);
            while (gene != rows_.end()) {
                auto const end =
                    std::find_if(gene, rows_.end(), [&](auto const& one) { return one.gene != gene->gene; });
                std::stable_sort(gene, end, [](auto const& a, auto const& b) { return a.output < b.output; });
                gene = end;
            }
        }
    }
}

std::string const& JacobianInputs::output_name(JacobianRow const& row) const {
    return output_names_[row.cell_type][row.output];
}

std::vector<std::string> JacobianInputs::shared_outputs() const {
    for (std::size_t i = 1; i < cell_types_.size(); ++i) {
        if (output_names_[i] != output_names_.front())
            fail_usage(fmt::format("{} and {} have other outputs: one campaign reads models of one kind",
                                   cell_types_.front().weights.string(), cell_types_[i].weights.string()));
    }
    return output_names_.front();
}

std::string JacobianInputs::row_name(JacobianRow const& row) const {
    auto name = atlas_.region_label(row.region);
    if (row.gene != JacobianRow::kNoGene)
        name = fmt::format("{}|{}|{}", genes_.ids[row.gene], name, row.strand);
    if (most_outputs_a_row_ > 1) name += "|" + output_name(row);
    if (cell_types_.size() > 1) name += "|" + cell_types_[row.cell_type].name;
    return name;
}

std::vector<float> JacobianInputs::observed(std::uint32_t cell_type, std::uint32_t output) const {
    auto const filled = [&](std::string name) {
        auto const& of_type = cell_types_[cell_type].name;
        auto const& of_output = output_names_[cell_type][output];
        for (auto const& [key, value] : {std::pair{std::string("{cell_type}"), &of_type},
                                         std::pair{std::string("{output}"), &of_output}})
            for (auto at = name.find(key); at != std::string::npos; at = name.find(key, at + value->size()))
                name.replace(at, key.size(), *value);
        return name;
    };
    if (auto const& wanted = settings_.text("expression.observed"); !wanted.empty())
        return atlas_.expression(filled(wanted));
    auto const& one = cell_types_[cell_type];
    if (one.card.architecture.head == model::HeadKind::accessibility && atlas_.has_cell_type(one.name))
        return atlas_.accessibility(one.name);
    std::vector<std::string> names{filled("{cell_type}.{output}")};
    // "K562.plus" of a model of K562 is, for rows of another cell type, theirs.
    auto const& of = one.card.cell_type;
    auto const& name_of_output = output_names_[cell_type][output];
    bool const is_of_another = !of.empty() && of != one.name && name_of_output.starts_with(of + ".");
    names.push_back(is_of_another ? one.name + name_of_output.substr(of.size()) : name_of_output);
    auto const& known = atlas_.expression_names();
    for (auto const& name : names)
        if (std::ranges::find(known, name) != known.end()) return atlas_.expression(name);
    return {};
}

store::Frame JacobianInputs::obs() const {
    auto const regions = atlas_.regions();
    store::Frame obs;
    obs.index_name = "row";
    auto const strings = [&](char const* name, auto const& value) {
        store::StringColumn column{name, {}, true};
        column.values.reserve(rows_.size());
        for (auto const& row : rows_) column.values.emplace_back(value(row));
        obs.strings.push_back(std::move(column));
    };
    auto const integers = [&](char const* name, auto const& value) {
        store::IntegerColumn column{name, {}};
        column.values.reserve(rows_.size());
        for (auto const& row : rows_) column.values.push_back(static_cast<std::int64_t>(value(row)));
        obs.integers.push_back(std::move(column));
    };
    for (auto const& row : rows_) obs.index.push_back(row_name(row));
    strings("cell_type", [&](auto const& row) { return cell_types_[row.cell_type].name; });
    if (has_genes()) {
        strings("gene_id", [&](auto const& row) { return genes_.ids[row.gene]; });
        strings("gene_name", [&](auto const& row) { return genes_.names[row.gene]; });
        strings("gene_type", [&](auto const& row) { return genes_.types[row.gene]; });
    }
    strings("chrom", [&](auto const& row) {
        return regions.chrom_names[static_cast<std::size_t>(regions.chrom[row.region])];
    });
    if (has_genes()) strings("strand", [](auto const& row) { return std::string(1, row.strand); });
    if (by_output_) strings("output", [&](auto const& row) { return output_name(row); });
    strings("window", [](auto const& row) { return std::string(name_of(row.window.end)); });
    integers("position", [](auto const& row) { return row.position; });
    integers("region_start", [&](auto const& row) { return regions.start[row.region]; });
    integers("region_end", [&](auto const& row) { return regions.end[row.region]; });
    integers("atlas_row", [](auto const& row) { return row.region; });
    if (has_genes() && by_output_)
        integers("own_output", [](auto const& row) { return row.own_output ? 1 : 0; });
    if (has_genes()) integers("starts", [](auto const& row) { return row.starts; });
    integers("window_start", [](auto const& row) { return row.window.first; });
    integers("window_regions", [](auto const& row) { return row.window.size; });
    integers("focus", [](auto const& row) { return row.window.focus; });
    return obs;
}

nlohmann::json JacobianInputs::provenance() const {
    std::vector<std::string> cards, cell_types;
    for (auto const& one : cell_types_) {
        cards.push_back(nlohmann::json(one.card).dump());
        cell_types.push_back(one.name);
    }
    return {{"assembly", atlas_.assembly()},
            {"atlas", {{"content_hash", atlas_.content_hash()}, {"description", atlas_.describe()}}},
            {"model_cards", cards},
            {"cell_types", cell_types},
            {"left_out", left_out_}};
}

nlohmann::json JacobianInputs::hashes() const {
    nlohmann::json object = nlohmann::json::object();
    for (auto const& one : cell_types_) object["weights." + one.name] = one.card.content_hash;
    if (has_genes()) object["genes"] = hash_file(settings_.path("genes.file"));
    return object;
}

std::string JacobianInputs::describe() const {
    auto text = text::counted(cell_types_.size(), "cell type") + ", ";
    text += has_genes() ? fmt::format("{} genes with {} starts; ", genes_.ids.size(), genes_.tss.size())
                        : std::string("rows are regions; ");
    text += fmt::format("{} rows, windows of up to {} regions: {} shifted inward, {} on short chromosomes",
                        rows_.size(), most_regions_, shifted_, short_);
    if (closed_ > 0) text += fmt::format(", {} promoters in regions a cell type doesn't have", closed_);
    auto const tell = [&](char const* key, std::string_view why) {
        auto const& names = left_out_.at(key);
        if (names.empty()) return;
        text += fmt::format("\n{} rows left out, {}: {}{}", names.size(), why,
                            names.front().get<std::string>(), names.size() > 1 ? ", ..." : "");
    };
    tell("too_wide", "their windows span more than windows.max_span_bp");
    tell("at_ends", "their windows meet the end of a chromosome");
    return text;
}

}  // namespace mpira::jobs
