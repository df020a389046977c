// train: one run, by its weights file, its metrics and its held-out predictions beside them.
#include <algorithm>
#include <cmath>
#include <limits>

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include "mpira/base/error.hpp"
#include "mpira/base/mapped_text.hpp"
#include "mpira/base/text.hpp"
#include "mpira/model/safetensors.hpp"

#include "report/report_file.hpp"
#include "report/report_html.hpp"
#include "report/report_statistics.hpp"

namespace mpira::report {
namespace {

namespace fs = std::filesystem;

constexpr std::string_view kWeights = ".safetensors";
constexpr std::string_view kMetrics = ".metrics.jsonl";
constexpr char const* kTestCurve = "test_never_used_for_selection";

std::optional<std::string> without(std::string const& name, std::string_view ending) {
    if (name.size() <= ending.size() || !name.ends_with(ending)) return std::nullopt;
    return name.substr(0, name.size() - ending.size());
}

double number_at(nlohmann::json const& from, char const* part, char const* key) {
    auto const* at = &from;
    if (part != nullptr) {
        auto const found = from.find(part);
        if (found == from.end() || !found->is_object()) return std::numeric_limits<double>::quiet_NaN();
        at = &*found;
    }
    auto const found = at->find(key);
    return found != at->end() && found->is_number() ? found->get<double>()
                                                    : std::numeric_limits<double>::quiet_NaN();
}

/// Lines that are whole: the last one may just be written.
std::vector<nlohmann::json> read_metrics(fs::path const& file) {
    std::vector<nlohmann::json> epochs;
    if (!fs::exists(file) || fs::file_size(file) == 0) return epochs;
    MappedText const text(file);
    for (std::size_t at = 0; at < text.size(); at = text.after(at)) {
        auto record = nlohmann::json::parse(text.line(at), nullptr, /*allow_exceptions=*/false);
        if (record.is_object() && record.contains("train_loss")) epochs.push_back(std::move(record));
    }
    return epochs;
}

void add_curves(std::vector<nlohmann::json> const& epochs, char const* key, std::string title,
                Section& section) {
    Figure figure{.title = std::move(title), .x = {.title = "epoch"}, .y = {.title = key}};
    struct Part {
        char const* json;
        char const* name;
    };
    constexpr Part kParts[] = {{nullptr, "training"}, {"validation", "validation"}, {kTestCurve, "test"}};
    constexpr std::uint64_t kMostEpochs = 1000;
    auto const drawn = thinned(epochs.size(), kMostEpochs);
    int colour = 0;
    for (auto const& part : kParts) {
        bool const is_loss = std::string_view(key) == "loss";
        Series line{.name = part.name, .colour = colour, .size = 2.5, .dashed = colour > 0};
        ++colour;
        if (part.json == nullptr && !is_loss) continue;
        bool any = false;
        for (auto const i : drawn) {
            line.x.push_back(static_cast<double>(i + 1));
            line.y.push_back(number_at(epochs[i], part.json, part.json == nullptr ? "train_loss" : key));
            any = any || std::isfinite(line.y.back());
        }
        if (part.json == kTestCurve && any)
            figure.caption = "The test set was recorded to be drawn: no epoch was chosen by it.";
        if (any) figure.series.push_back(std::move(line));
    }
    if (drawn.size() < epochs.size())
        figure.caption += fmt::format(" {} of {} epochs.", drawn.size(), epochs.size());
    if (!figure.series.empty()) section.blocks.emplace_back(std::move(figure));
}

void add_epochs(std::vector<nlohmann::json> const& epochs, Section& section) {
    Table table{.name = "epochs",
                .title = "Epochs",
                .columns = {"epoch", "train_loss", "validation_loss", "validation_pearson", "lr", "seconds"},
                .shown = 1000,
                .folded = true};
    for (std::size_t i = 0; i < epochs.size(); ++i)
        table.rows.push_back({static_cast<std::int64_t>(i + 1), number_at(epochs[i], nullptr, "train_loss"),
                              number_at(epochs[i], "validation", "loss"),
                              number_at(epochs[i], "validation", "pearson"),
                              number_at(epochs[i], nullptr, "lr"), number_at(epochs[i], nullptr, "seconds")});
    section.blocks.emplace_back(std::move(table));
}

/// Columns target_NAME and predicted_NAME, of entries that figures are over.
void add_held_out(fs::path const& file, Section& section) {
    if (!fs::exists(file) || fs::file_size(file) == 0) return;
    MappedText const text(file);
    auto const header = text::split(text.line(0), '\t');
    std::vector<double> predicted, target;
    for (std::size_t at = text.after(0); at < text.size(); at = text.after(at)) {
        auto const fields = text::split(text.line(at), '\t');
        if (fields.size() != header.size()) text.refuse(at, fmt::format("expected {} fields", header.size()));
        for (std::size_t i = 0; i + 1 < fields.size(); ++i) {
            if (!header[i].starts_with("target_")) continue;
            bool const has_scored = i + 2 < header.size() && header[i + 2].starts_with("scored_");
            if (has_scored && fields[i + 2] == "0") continue;
            auto const wanted = text::to_number(fields[i]), found = text::to_number(fields[i + 1]);
            if (!wanted || !found) continue;
            target.push_back(*wanted);
            predicted.push_back(*found);
        }
    }
    if (!predicted.empty())
        section.blocks.emplace_back(
            held_out_figure(predicted, target, "Of the regions held out, where they count."));
}

void flatten(std::string const& prefix, nlohmann::json const& value, Table& table) {
    if (value.is_object() && !value.empty()) {
        for (auto const& [key, one] : value.items())
            flatten(prefix.empty() ? key : fmt::format("{}.{}", prefix, key), one, table);
        return;
    }
    constexpr std::size_t kMost = 600;
    auto const text = value.is_null() ? std::string("-")
                      : value.is_string()
                          ? value.get<std::string>()
                          : value.dump(-1, ' ', false, nlohmann::json::error_handler_t::replace);
    table.rows.push_back({prefix, shortened(text, kMost)});
}

void add_card(fs::path const& weights, Section& section) {
    model::SafetensorsFile const file(weights);
    auto const found = file.metadata().find("mpira");
    require(found != file.metadata().end(),
            fmt::format(
                "{}: a safetensors file without a card of mpira; expected weights that mpira train, folds or "
                "launch/convert wrote",
                weights.string()));
    auto const card = nlohmann::json::parse(found->second, nullptr, /*allow_exceptions=*/false);
    require(card.is_object(), fmt::format("{}: its card is no JSON object", weights.string()));
    std::uint64_t parameters = 0;
    for (auto const& tensor : file.tensors()) parameters += tensor.bytes.size() / model::size_of(tensor.type);
    Facts facts{{{"Parameters", std::to_string(parameters)}, {"File", text::bytes(fs::file_size(weights))}}};
    for (auto const* const key : {"assembly", "cell_type", "content_hash"})
        if (auto const value = card.find(key);
            value != card.end() && value->is_string() && !value->get<std::string>().empty())
            facts.entries.emplace_back(key, value->get<std::string>());
    section.blocks.emplace_back(std::move(facts));
    Table table{.name = "card",
                .title = "Card of the model",
                .caption = "What the weights say of themselves.",
                .columns = {"fact", "value"},
                .shown = 1000,
                .folded = true};
    flatten("", card, table);
    section.blocks.emplace_back(std::move(table));
}

}  // namespace

std::optional<Section> train_section(fs::path const& file) {
    auto const name = file.filename().string();
    auto stem = without(name, kMetrics);
    if (!stem) stem = without(name, kWeights);
    if (!stem) return std::nullopt;
    auto const beside = [&](std::string_view ending) {
        return file.parent_path() / (*stem + std::string(ending));
    };
    require(fs::exists(file), fmt::format("cannot open {}: No such file", file.string()));
    Section section{.title = name,
                    .subtitle = fmt::format("mpira train: one training run, {}", file.string())};
    auto const epochs = read_metrics(beside(kMetrics));
    if (fs::exists(beside(kWeights)))
        add_card(beside(kWeights), section);
    else
        section.blocks.emplace_back(
            Paragraph{fmt::format("The run is not complete: {} epochs are done, and {} is not there "
                                  "yet.",
                                  epochs.size(), beside(kWeights).filename().string())});
    require(!epochs.empty() || fs::exists(beside(kWeights)),
            fmt::format("{}: no line of it is a record of mpira train", file.string()));
    if (!epochs.empty()) {
        section.blocks.emplace_back(Heading{"Learning curves"});
        add_curves(epochs, "loss", "Loss", section);
        add_curves(epochs, "pearson", "Pearson correlation", section);
        add_epochs(epochs, section);
    }
    add_held_out(beside(".heldout.tsv"), section);
    return section;
}

}  // namespace mpira::report
