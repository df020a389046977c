#include "mpira/train/sweep.hpp"

#include <algorithm>
#include <cmath>
#include <map>
#include <utility>

#include <fmt/format.h>
#include <fmt/ranges.h>

#include "mpira/base/error.hpp"
#include "mpira/base/philox.hpp"
#include "mpira/base/text.hpp"
#include "mpira/train/estimators.hpp"
#include "mpira/train/fold_file.hpp"
#include "mpira/train/holdout.hpp"
#include "mpira/train/schema.hpp"

namespace mpira::train {

namespace {

struct Change {
    std::string key;
    std::string value;
};
using Changes = std::vector<Change>;

struct Named {
    std::string name;
    Changes changes;
};

bool knows(std::span<SettingSpec const> schema, std::string_view key) {
    return std::any_of(schema.begin(), schema.end(), [&](auto const& spec) { return spec.key == key; });
}

SettingValue value_in(Settings const& settings, SettingSpec const& spec) {
    switch (spec.kind) {
        case SettingKind::flag:
            return settings.flag(spec.key);
        case SettingKind::integer:
            return settings.integer(spec.key);
        case SettingKind::number:
            return settings.number(spec.key);
        case SettingKind::text:
            return settings.text(spec.key);
        case SettingKind::texts:
            return settings.texts(spec.key);
    }
    throw Error(Origin::internal, "a setting of no kind");
}

// What the sweep says about `mpira train`'s own settings.
Settings common_settings(Settings const& sweep) {
    auto const schema = train_schema();
    Settings common(schema, sweep.source());
    for (auto const& spec : schema) {
        if (knows(sweep.schema(), spec.key)) common.set(spec.key, value_in(sweep, spec), sweep.source());
    }
    return common;
}

// A chromosome, block or cell type as the setting that holds it out; refused when the user set that too.
std::vector<Named> folds_by(Settings const& settings, std::string const& key,
                            std::vector<std::pair<std::string, std::string>> const& values) {
    if (!settings.texts(key).empty()) {
        settings.refuse(key, fmt::format("is what the folds differ in (folds.by = \"{}\"); leave it out",
                                         settings.text("folds.by")));
    }
    std::vector<Named> folds;
    for (auto const& [name, value] : values) folds.push_back({name, {{key, value}}});
    return folds;
}

std::vector<Named> all_folds(Settings const& settings, atlas::Atlas const& atlas) {
    auto const& by = settings.text("folds.by");
    auto const regions = atlas.regions();
    std::vector<std::pair<std::string, std::string>> values;
    if (by == "table") {
        auto const file = settings.path("holdout.folds");
        if (file.empty())
            settings.refuse("holdout.folds", "name the table of folds or the fold files, or set folds.by");
        std::vector<Named> folds;
        for (auto const& fold : read_folds(file)) folds.push_back({fold.name, {{"holdout.fold", fold.name}}});
        return folds;
    }
    if (!settings.path("holdout.folds").empty()) {
        settings.refuse("holdout.folds", "goes with folds.by = \"table\"");
    }
    if (by == "cell_type") {
        auto names = settings.texts("target.cell_type");
        if (names == std::vector<std::string>{"*"}) names = atlas.cell_types();
        if (names.size() < 2) {
            settings.refuse("folds.by", "to leave out cell types, name at least two in target.cell_type");
        }
        for (auto const& name : names) values.emplace_back(name, name);
        return folds_by(settings, "holdout.cell_types", values);
    }
    std::vector<std::int64_t> furthest(regions.chrom_names.size(), -1);  // centre, by chromosome
    std::vector<std::vector<std::int64_t>> blocks(regions.chrom_names.size());
    auto const block_bp = settings.integer("folds.block_bp");
    for (std::uint64_t row = 0; row < regions.size(); ++row) {
        auto const chrom = static_cast<std::size_t>(regions.chrom[row]);
        auto const centre = (regions.start[row] + regions.end[row]) / 2;
        furthest[chrom] = std::max(furthest[chrom], centre);
        blocks[chrom].push_back(centre / block_bp);
    }
    for (std::size_t chrom = 0; chrom < blocks.size(); ++chrom) {
        auto const& name = regions.chrom_names[chrom];
        if (furthest[chrom] < 0) continue;
        if (by == "chromosome") {
            values.emplace_back(name, name);
            continue;
        }
        auto& numbers = blocks[chrom];
        std::sort(numbers.begin(), numbers.end());
        numbers.erase(std::unique(numbers.begin(), numbers.end()), numbers.end());
        for (auto const number : numbers) {
            values.emplace_back(fmt::format("{}_block{}", name, number),
                                fmt::format("{}:{}-{}", name, number * block_bp, (number + 1) * block_bp));
        }
    }
    return folds_by(settings, by == "chromosome" ? "holdout.chromosomes" : "holdout.regions", values);
}

std::vector<bool> chosen_of(Settings const& settings, std::string const& key,
                            std::vector<Named> const& folds) {
    std::vector<std::string> names;
    for (auto const& fold : folds) names.push_back(fold.name);
    std::vector<bool> chosen(folds.size(), false);
    for (auto const& name : settings.texts(key)) {
        auto const at = std::find(names.begin(), names.end(), name);
        if (at == names.end()) {
            settings.refuse(key, fmt::format("there is no fold '{}'{}; there are {}", name,
                                             text::did_you_mean(name, names), fmt::join(names, ", ")));
        }
        chosen[static_cast<std::size_t>(at - names.begin())] = true;
    }
    return chosen;
}

// "NAME: key=value key=value"
Named setting_of(Settings const& settings, std::string const& line) {
    auto const colon = line.find(':');
    Named setting{.name = std::string(text::trim(std::string_view(line).substr(0, colon))), .changes = {}};
    auto const bad = fmt::format("'{}': expected \"NAME\" or \"NAME: key=value key=value\"", line);
    if (setting.name.empty()) settings.refuse("folds.settings", bad);
    if (colon == std::string::npos) {
        if (line.find('=') != std::string::npos) settings.refuse("folds.settings", bad);
        return setting;
    }
    auto const schema = train_schema();
    for (auto const word : text::split(std::string_view(line).substr(colon + 1), ' ')) {
        if (word.empty()) continue;
        auto const equals = word.find('=');
        if (equals == std::string_view::npos || equals == 0) settings.refuse("folds.settings", bad);
        setting.changes.push_back(
            {std::string(word.substr(0, equals)), std::string(word.substr(equals + 1))});
        auto const& key = setting.changes.back().key;
        // What is held out makes the folds; what else is not trained on may differ between settings.
        bool const makes_folds = key.starts_with("holdout.") && key != "holdout.margin_bp" &&
                                 key != "holdout.motifs" && key != "holdout.motif_cutoff";
        if (key == "seed" || key == "atlas" || key == "device" || key == "threads" || key == "output" ||
            makes_folds) {
            settings.refuse("folds.settings",
                            fmt::format("'{}': {} is the same for all settings of a sweep", line, key));
        }
    }
    return setting;
}

/// "train.lr: 1e-5..1e-1 log"
struct Range {
    std::string key;
    double least = 0;
    double most = 0;
    bool log = false;
};

Range range_of(Settings const& settings, std::string const& line) {
    auto const refuse = [&](std::string const& what) {
        settings.refuse(
            "folds.ranges",
            fmt::format("'{}': {}; expected \"key: least..most\" or \"key: least..most log\"", line, what));
    };
    auto const colon = line.find(':');
    if (colon == std::string::npos) refuse("no colon");
    Range range{.key = std::string(text::trim(std::string_view(line).substr(0, colon)))};
    auto const schema = train_schema();
    auto const spec =
        std::find_if(schema.begin(), schema.end(), [&](auto const& s) { return s.key == range.key; });
    if (spec == schema.end()) {
        std::vector<std::string> keys;
        for (auto const& one : schema) keys.push_back(one.key);
        refuse(fmt::format("there is no setting '{}'{}", range.key, text::did_you_mean(range.key, keys)));
    }
    if (spec->kind != SettingKind::number) refuse("only settings that are numbers are drawn");
    auto rest = text::trim(std::string_view(line).substr(colon + 1));
    if (rest.ends_with(" log")) {
        range.log = true;
        rest = text::trim(rest.substr(0, rest.size() - 4));
    }
    auto const dots = rest.find("..");
    if (dots == std::string_view::npos) refuse("no '..'");
    auto const least = text::to_number(text::trim(rest.substr(0, dots)));
    auto const most = text::to_number(text::trim(rest.substr(dots + 2)));
    if (!least || !most || !(*least < *most)) refuse("not two numbers, the smaller first");
    range.least = *least;
    range.most = *most;
    if (range.log && range.least <= 0) refuse("a logarithmic range starts above 0");
    return range;
}

// Every setting once, or `draws` times with other values.
struct Drawn {
    Named setting;
    std::vector<double> values;
};
std::vector<Drawn> with_draws(Settings const& settings, std::vector<Named> const& all,
                              std::vector<Range> const& ranges) {
    auto const draws = settings.count("folds.draws");
    if ((draws == 0) != ranges.empty()) {
        settings.refuse(draws == 0 ? "folds.draws" : "folds.ranges",
                        "folds.draws (how many) and folds.ranges (of what) go together");
    }
    std::vector<Drawn> drawn;
    for (auto const& setting : all) {
        if (draws == 0) drawn.push_back({setting, {}});
        for (std::uint64_t d = 0; d < draws; ++d) {
            Drawn one{setting, {}};
            one.setting.name += fmt::format(".draw{}", d);
            for (std::size_t r = 0; r < ranges.size(); ++r) {
                auto const& range = ranges[r];
                Draws numbers(settings.count("seed"), Stream::sweep, static_cast<std::uint32_t>(d),
                              static_cast<std::uint32_t>(r));
                double const u = numbers.uniform();
                double const value = range.log ? range.least * std::pow(range.most / range.least, u)
                                               : range.least + (range.most - range.least) * u;
                // What people read is what is used.
                auto const text = fmt::format("{:.6g}", value);
                one.setting.changes.push_back({range.key, text});
                one.values.push_back(text::to_number(text).value_or(value));
            }
            drawn.push_back(std::move(one));
        }
    }
    return drawn;
}

// What a setting is given, or drawn, must do something for its model.kind.
void check_own_keys(Settings const& settings, std::string const& name, Changes const& changes,
                    Settings const& run, std::span<std::string const> drawn_keys) {
    auto const without_effect = keys_without_effect(run);
    for (auto const& [key, value] : changes) {
        if (std::ranges::find(without_effect, key) == without_effect.end()) continue;
        bool const drawn = std::ranges::find(drawn_keys, key) != drawn_keys.end();
        settings.refuse(
            drawn ? "folds.ranges" : "folds.settings",
            fmt::format("'{}': {} does nothing with model.kind = \"{}\"", name, key, run.text("model.kind")));
    }
}

std::vector<std::uint64_t> seeds_of(Settings const& settings) {
    std::vector<std::uint64_t> seeds;
    for (auto const& item : settings.texts("folds.seeds")) {
        auto const seed = text::to_integer(item);
        if (!seed || *seed < 0)
            settings.refuse("folds.seeds", fmt::format("'{}' is no seed (0, 1, 2, ...)", item));
        seeds.push_back(static_cast<std::uint64_t>(*seed));
    }
    if (seeds.empty()) seeds.push_back(settings.count("seed"));
    auto sorted = seeds;
    std::sort(sorted.begin(), sorted.end());
    if (std::adjacent_find(sorted.begin(), sorted.end()) != sorted.end()) {
        settings.refuse("folds.seeds", "a seed is named twice");
    }
    return seeds;
}

}  // namespace

std::string SweepPlan::series_name(std::size_t s) const {
    return as_file_name(fmt::format("{}.seed{}", settings[s / seeds.size()], seeds[s % seeds.size()]));
}

SweepPlan plan_sweep(Settings const& settings, atlas::Atlas const& atlas) {
    SweepPlan plan;
    auto folds = all_folds(settings, atlas);
    auto const wanted = chosen_of(settings, "folds.only", folds);
    auto const watched = chosen_of(settings, "folds.recipe_folds", folds);
    bool const all = settings.texts("folds.only").empty();
    std::vector<Named> used;
    for (std::size_t f = 0; f < folds.size(); ++f) {
        if (!all && !wanted[f]) continue;
        used.push_back(folds[f]);
        plan.folds.push_back(folds[f].name);
        plan.is_recipe_fold.push_back(watched[f]);
    }
    plan.seeds = seeds_of(settings);

    std::vector<Named> named;
    for (auto const& line : settings.texts("folds.settings")) named.push_back(setting_of(settings, line));
    if (named.empty()) named.push_back({"default", {}});
    std::vector<Range> ranges;
    for (auto const& line : settings.texts("folds.ranges")) ranges.push_back(range_of(settings, line));
    for (auto const& range : ranges) plan.drawn_keys.push_back(range.key);
    auto const drawn = with_draws(settings, named, ranges);
    for (auto const& one : drawn) plan.settings.push_back(one.setting.name);

    auto const common = common_settings(settings);
    std::map<std::string, std::string> seen;
    for (auto const& [setting, values] : drawn) {
        std::string overrides;
        for (auto const& [key, value] : setting.changes) {
            overrides += fmt::format("{}{}={}", overrides.empty() ? "" : " ", key, value);
        }
        for (auto const seed : plan.seeds) {
            for (auto const& fold : used) {
                SweepRun run{.name = as_file_name(fmt::format("{}.{}.seed{}", fold.name, setting.name, seed)),
                             .fold = fold.name,
                             .setting = setting.name,
                             .overrides = overrides,
                             .seed = seed,
                             .drawn = values,
                             .settings = common};
                auto const whole = fmt::format("fold {}, setting {}, seed {}", fold.name, setting.name, seed);
                auto const [former, is_new] = seen.emplace(run.name, whole);
                if (!is_new) {
                    settings.refuse("folds", fmt::format("{} and {} would both be called {}; rename one",
                                                         former->second, whole, run.name));
                }
                run.settings.set("seed", static_cast<std::int64_t>(seed), "folds.seeds");
                for (auto const& [key, value] : setting.changes) {
                    run.settings.set_from_text(key, value, fmt::format("folds.settings: {}", setting.name));
                }
                for (auto const& [key, value] : fold.changes)
                    run.settings.set_from_text(key, value, "folds.by");
                check_own_keys(settings, setting.name, setting.changes, run.settings, plan.drawn_keys);
                if (!values.empty() && run.settings.text("validation.mode") == "none") {
                    settings.refuse("folds.draws",
                                    "the best draw is the one with the least validation loss, and "
                                    "validation.mode is \"none\"; set it to \"next\" or \"regions\"");
                }
                plan.runs.push_back(std::move(run));
            }
        }
    }
    return plan;
}

std::vector<int> cut_into_groups(std::vector<std::int64_t> const& nodes, int ranks_per_group) {
    ensure(ranks_per_group > 0 && nodes.size() % static_cast<std::size_t>(ranks_per_group) == 0,
           "ranks that do not fill their groups");
    auto const each = static_cast<std::size_t>(ranks_per_group);
    std::map<std::int64_t, std::vector<std::size_t>> ranks_of;
    for (std::size_t rank = 0; rank < nodes.size(); ++rank) ranks_of[nodes[rank]].push_back(rank);
    std::vector<std::vector<std::size_t>> groups;
    std::vector<std::size_t> rest;
    for (auto const& [node, ranks] : ranks_of) {
        std::size_t const whole = ranks.size() / each * each;
        for (std::size_t i = 0; i < ranks.size(); ++i) {
            if (i >= whole) {
                rest.push_back(ranks[i]);
            } else {
                if (i % each == 0) groups.emplace_back();
                groups.back().push_back(ranks[i]);
            }
        }
    }
    for (std::size_t i = 0; i < rest.size(); ++i) {
        if (i % each == 0) groups.emplace_back();
        groups.back().push_back(rest[i]);
    }
    std::sort(groups.begin(), groups.end(), [](auto const& a, auto const& b) {
        return *std::min_element(a.begin(), a.end()) < *std::min_element(b.begin(), b.end());
    });
    std::vector<int> group_of(nodes.size());
    for (std::size_t g = 0; g < groups.size(); ++g) {
        for (auto const rank : groups[g]) group_of[rank] = static_cast<int>(g);
    }
    return group_of;
}

}  // namespace mpira::train
