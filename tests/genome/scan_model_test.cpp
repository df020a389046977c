#include "mpira/genome/scan_model.hpp"

#include <cmath>

#include "mpira/base/philox.hpp"
#include "mpira/genome/fasta.hpp"

#include "genome/files.hpp"
#include "genome/real_data.hpp"

namespace mpira::genome {
namespace {

using testing::ElementsAre;

Motif random_motif(std::uint32_t number, std::size_t width) {
    Draws draws(7, Stream::tests, number);
    Motif motif{std::string("R").append(std::to_string(number)), "random", {}};
    for (std::size_t i = 0; i < width; ++i) {
        auto& column = motif.counts.emplace_back();
        for (double& count : column) count = static_cast<double>(draws.below(40));
        column[draws.below(4)] += 10;
    }
    return motif;
}

TEST(LogOdds, FollowTheFormula) {
    Background const background{0.3, 0.2, 0.2, 0.3};
    Motif const motif{"M", "m", {{6, 0, 1, 9}, {4, 4, 4, 4}}};
    // P = (count + bg * c) / (n + c), n = 16, c = sqrt(16) = 4; I = rint(1000 * log2(P / bg)).
    EXPECT_THAT(
        log_odds(motif, background, std::nullopt),
        ElementsAre(
            std::lrint(1000 * std::log2(7.2 / 20 / 0.3)), std::lrint(1000 * std::log2(0.8 / 20 / 0.2)),
            std::lrint(1000 * std::log2(1.8 / 20 / 0.2)), std::lrint(1000 * std::log2(10.2 / 20 / 0.3)),
            std::lrint(1000 * std::log2(5.2 / 20 / 0.3)), std::lrint(1000 * std::log2(4.8 / 20 / 0.2)),
            std::lrint(1000 * std::log2(4.8 / 20 / 0.2)), std::lrint(1000 * std::log2(5.2 / 20 / 0.3))));
    auto const fixed = log_odds(motif, background, 0.01);
    EXPECT_EQ(fixed[1], std::lrint(1000 * std::log2(0.002 / 16.01 / 0.2)));
}

/// All 4^width words with their scores and probabilities, best first.
std::vector<std::pair<std::int32_t, double>> all_words(std::span<std::int32_t const> matrix,
                                                       Background const& background) {
    std::vector<std::pair<std::int32_t, double>> words{{0, 1.0}};
    for (std::size_t column = 0; column < matrix.size(); column += 4) {
        std::vector<std::pair<std::int32_t, double>> longer;
        longer.reserve(4 * words.size());
        for (auto const& [score, p] : words) {
            for (std::size_t base = 0; base < 4; ++base) {
                longer.emplace_back(score + matrix[column + base], p * background[base]);
            }
        }
        words = std::move(longer);
    }
    std::ranges::sort(words, std::greater{}, [](auto const& word) { return word.first; });
    return words;
}

TEST(Threshold, EqualsEnumerationUpToWidthEight) {
    Background const background{0.29, 0.21, 0.21, 0.29};
    int reached = 0;
    for (std::uint32_t number = 0; number < 64; ++number) {
        auto const width = 1 + number % 8;
        auto const matrix = log_odds(random_motif(number, width), background, std::nullopt);
        auto const words = all_words(matrix, background);
        for (double const p_value : {1e-4, 1e-3, 0.02, 0.3}) {
            std::optional<std::int32_t> expected;
            double tail = 0;
            for (std::size_t i = 0; i < words.size();) {
                std::size_t j = i;
                for (; j < words.size() && words[j].first == words[i].first; ++j) tail += words[j].second;
                if (tail > p_value) break;
                expected = words[i].first;
                i = j;
            }
            EXPECT_EQ(threshold_for(matrix, background, p_value), expected)
                << "width " << width << " p " << p_value;
            reached += expected ? 1 : 0;
        }
    }
    EXPECT_GT(reached, 100);
}

TEST(ScanModel, DefaultDataRecipe) {
    Folder const folder;
    std::filesystem::create_symlink(real::chr2r(), folder.path() / "chr2R.fa");
    Fasta fasta(folder.path() / "chr2R.fa");
    auto const background = background_of(fasta);
    EXPECT_NEAR(background[0], 0.2836, 5e-5);  // spec/default-data.md 1
    EXPECT_NEAR(background[1], 0.2164, 5e-5);
    EXPECT_EQ(background[0], background[3]);
    auto const motifs = read_jaspar_sqlite(real::jaspar(), "CORE", "insects");
    auto const features = one_feature_each(motifs);
    auto const model = make_scan_model(motifs, features, background, {});
    auto const dropped = make_scan_model(motifs, features, background, {.short_motifs = ShortMotifs::drop});
    EXPECT_EQ(model.motif_count(), 286U);
    EXPECT_EQ(model.feature_count(), 286U);
    EXPECT_EQ(std::ranges::count(dropped.thresholds, ScanModel::kNever), 78);  // spec/default-data.md 1
    EXPECT_EQ(std::ranges::count(model.thresholds, ScanModel::kNever), 0);
    for (std::size_t m = 0; m < 286; ++m) {
        std::int32_t best = 0;
        for (std::size_t c = 0; c < model.matrix(m).size(); c += 4) {
            best += std::ranges::max(model.matrix(m).subspan(c, 4));
        }
        EXPECT_LE(model.thresholds[m], best);
        if (dropped.thresholds[m] == ScanModel::kNever) {
            EXPECT_EQ(model.thresholds[m], best);
        } else {
            EXPECT_EQ(model.thresholds[m], dropped.thresholds[m]);
        }
    }
}

TEST(ScanModel, HashNamesTheContent) {
    std::vector<Motif> const motifs{random_motif(1, 5), random_motif(2, 9)};
    auto const features = one_feature_each(motifs);
    auto const model = make_scan_model(motifs, features, kUniformBackground, {});
    auto copy = model;
    EXPECT_EQ(copy.hash(), model.hash());
    ++copy.matrices[3];
    EXPECT_NE(copy.hash(), model.hash());
    EXPECT_NE(make_scan_model(motifs, features, kUniformBackground, {.p_value = 1e-3}).hash(), model.hash());
    EXPECT_NE(make_scan_model(motifs, features, kUniformBackground, {.scan_length = 400}).hash(),
              model.hash());
    EXPECT_NE(make_scan_model(motifs, {{"same"}, {0, 0}}, kUniformBackground, {}).hash(), model.hash());
    auto const one = make_scan_model(motifs, {{"kept"}, {-1, 0}}, kUniformBackground, {});
    EXPECT_THAT(one.motif_ids, ElementsAre("R2"));
    EXPECT_EQ(one.matrices.size(), 36U);
}

TEST(ScanModel, Refusals) {
    std::vector<Motif> const motifs{random_motif(1, 5), random_motif(2, 9)};
    auto const make = [&](ScanSettings const& settings) {
        (void)make_scan_model(motifs, one_feature_each(motifs), kUniformBackground, settings);
    };
    expect_refusal([&] { make({.p_value = 0}); }, {"p-value 0"});
    expect_refusal([&] { make({.p_value = 1}); }, {"p-value 1"});
    expect_refusal([&] { make({.pseudocount = 0.0}); }, {"pseudocount 0"});
    expect_refusal([&] { make({.scan_length = -1}); }, {"scan_length -1"});
    expect_refusal([&] { (void)make_scan_model({}, {}, kUniformBackground, {}); }, {"no motif"});
    std::vector<Motif> const wide{random_motif(3, 65)};
    expect_refusal([&] { (void)make_scan_model(wide, one_feature_each(wide), kUniformBackground, {}); },
                   {"R3", "width of 65"});
    std::vector<Motif> const twice{random_motif(1, 5), random_motif(1, 6)};
    expect_refusal(
        [&] {
            (void)make_scan_model(twice, {{"a", "b"}, {0, 1}}, kUniformBackground, {});
        },
        {"motif 'R1' is there twice"});
    expect_refusal(
        [&] {
            (void)make_scan_model(motifs, {{"a", "a"}, {0, 1}}, kUniformBackground, {});
        },
        {"feature 'a' is there twice"});

    auto const good = make_scan_model(motifs, one_feature_each(motifs), kUniformBackground, {});
    auto const broken = [&](auto&& change, std::initializer_list<std::string> fragments) {
        auto model = good;
        change(model);
        expect_refusal([&] { model.check("atlas.h5ad"); }, fragments);
    };
    broken([](ScanModel& m) { m.thresholds.pop_back(); }, {"atlas.h5ad", "1 thresholds"});
    broken([](ScanModel& m) { m.matrices.pop_back(); }, {"atlas.h5ad", "55 matrix cells for 14 positions"});
    broken([](ScanModel& m) { m.widths[0] = 0; }, {"atlas.h5ad", "R1", "width of 0"});
    broken([](ScanModel& m) { m.features[1] = 2; }, {"atlas.h5ad", "R2", "feature 2 of 2"});
    broken([](ScanModel& m) { m.matrices[0] = 2'000'000; }, {"atlas.h5ad", "1000 bits"});
    broken([](ScanModel& m) { m.background[0] = std::nan(""); }, {"atlas.h5ad", "background"});
    broken([](ScanModel& m) { m.p_value = 2; }, {"atlas.h5ad", "p-value of 2"});
    broken([](ScanModel& m) { m.scan_length = -1; }, {"atlas.h5ad", "scan_length of -1"});
}

TEST(Background, TextAndComposition) {
    auto const background = parse_background("0.2977, 0.2023,0.2023,0.2977").value();
    EXPECT_DOUBLE_EQ(background[0], 0.2977);
    for (char const* text : {"0.25,0.25,0.5", "a,b,c,d", "0.5,0.5,0,0", "1,1,1,1", "0.3,0.3,0.3,-0.1", ""}) {
        EXPECT_FALSE(parse_background(text)) << text;
    }
    Composition composition;
    composition.add("AACcgnNRT");
    composition.add("");
    EXPECT_THAT(composition.counts(), ElementsAre(2, 2, 1, 1));
    EXPECT_THAT(composition.symmetrised(), ElementsAre(0.25, 0.25, 0.25, 0.25));
    Composition poor;
    poor.add("AAAA");
    expect_refusal([&] { (void)poor.symmetrised(); }, {"no C or G"});
}

}  // namespace
}  // namespace mpira::genome
