#include <algorithm>
#include <array>
#include <map>
#include <numeric>
#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "mpira/atlas/atlas.hpp"
#include "mpira/base/error.hpp"
#include "mpira/base/philox.hpp"
#include "mpira/genome/fasta.hpp"
#include "mpira/genome/scanner.hpp"
#include "mpira/jobs/table.hpp"
#include "mpira/store/result_file.hpp"

#include "support/scratch_folder.hpp"

namespace mpira::jobs {
namespace {

/// What schedule does, without ranks: runs units in the given order and finishes the file.
void run_serially(store::Job& job, std::filesystem::path const& file, bool backwards) {
    store::ResultFile::create(file, job.layout(), job.tables(), {.reserve = false, .overwrite = false});
    auto result = store::ResultFile::open(file, job.layout());
    std::vector<std::uint64_t> order(job.layout().units());
    std::iota(order.begin(), order.end(), std::uint64_t{0});
    if (backwards) {
        std::ranges::reverse(order);
    }
    for (auto const unit : order) {
        EXPECT_GT(job.relative_cost(unit), 0);
        store::UnitRows rows(job.layout(), unit);
        job.run(unit, rows, {});
        std::vector<store::FinishedUnit> const units{{&rows, {}}};
        result.commit(units);
    }
    result.finish([&](store::FinishedRows& rows) { job.finish(rows); });
}

class FeaturesJob : public testing::Test {
protected:
    FeaturesJob() {
        // Two chromosomes with soft-masked, ambiguous and unknown bases; regions that touch, overlap, contain
        // each other and lie at the ends.
        Draws draws(9, Stream::tests, 0);
        std::string fasta;
        for (std::size_t c = 0; c < 2; ++c) {
            std::string bases;
            for (std::int64_t i = 0; i < kLengths[c]; ++i) {
                bases.push_back("ACGTACGTACGTACGTacgtACGTACGTACGTACGTNR"[draws.below(38)]);
            }
            fasta += ">chr" + std::to_string(c + 1) + " test\n";
            for (std::size_t i = 0; i < bases.size(); i += 60) {
                fasta += bases.substr(i, 60) + "\n";
            }
            for (int i = 0; i < 40; ++i) {
                auto const start =
                    static_cast<std::int64_t>(draws.below(static_cast<std::uint64_t>(kLengths[c]) - 1));
                auto const end =
                    std::min(kLengths[c], start + 1 + static_cast<std::int64_t>(draws.below(900)));
                regions_[{static_cast<std::int32_t>(c), start, end}] = "";
            }
        }
        regions_[{0, 0, 10}] = "";
        regions_[{1, kLengths[1] - 5, kLengths[1]}] = "";
        std::string bed;
        std::size_t number = 0;
        for (auto& [region, name] : regions_) {
            name = "region" + std::to_string(number++);
            auto const line = "chr" + std::to_string(region.chrom + 1) + "\t" + std::to_string(region.start) +
                              "\t" + std::to_string(region.end) + "\t" + name + "\n";
            bed = line + bed;  // in the wrong order on purpose
        }
        genome_ = folder_.write("genome.fa", fasta);
        bed_ = folder_.write("regions.bed", bed);
        meme_ = folder_.write("motifs.meme", R"(MEME version 4

ALPHABET= ACGT

MOTIF M1 first
letter-probability matrix: alength= 4 w= 6 nsites= 20
0.9 0.0 0.1 0.0
0.0 0.8 0.1 0.1
0.0 0.1 0.9 0.0
0.1 0.1 0.1 0.7
0.9 0.1 0.0 0.0
0.0 0.9 0.0 0.1

MOTIF M2 second
letter-probability matrix: alength= 4 w= 3 nsites= 50
0.9 0.1 0.0 0.0
0.0 1.0 0.0 0.0
0.0 0.0 1.0 0.0

MOTIF M3 third
letter-probability matrix: alength= 4 w= 8 nsites= 20
0.7 0.1 0.1 0.1
0.1 0.1 0.7 0.1
0.1 0.7 0.1 0.1
0.7 0.1 0.1 0.1
0.1 0.1 0.1 0.7
0.1 0.7 0.1 0.1
0.1 0.1 0.7 0.1
0.7 0.1 0.1 0.1
)");
        clusters_ = folder_.write("clusters.tsv", "M3\tC2\nM1\tC1\nM2\tC1\n");
        kc_ = folder_.write("kc.bed", "chr1\t0\t3000\n");
        tss_ = folder_.write("tss.bed", "chr2\t1000\t1500\n");
    }

    [[nodiscard]] Settings settings(std::map<std::string, std::string> const& more = {}) const {
        auto const specs = find_job("features").schema();
        Settings settings(specs, "test.toml");
        std::map<std::string, std::string> values{
            {"genome.fasta", genome_.string()}, {"genome.assembly", "toy1"}, {"regions.bed", bed_.string()},
            {"motifs.file", meme_.string()},    {"scan.p_value", "0.002"},   {"scan.length_bp", "400"}};
        for (auto const& [key, value] : more) {
            values[key] = value;
        }
        for (auto const& [key, value] : values) {
            settings.set_from_text(key, value, "test");
        }
        settings.require_complete();
        return settings;
    }
    [[nodiscard]] static std::unique_ptr<store::Job> make(Settings const& settings) {
        return find_job("features").make(settings, {});
    }
    [[nodiscard]] atlas::Atlas run(std::map<std::string, std::string> const& more, bool backwards = false) {
        auto const job = make(settings(more));
        auto const file = folder_.path() / ("atlas" + std::to_string(number_++) + ".h5ad");
        run_serially(*job, file, backwards);
        return atlas::Atlas::open(file);
    }
    void refused(std::map<std::string, std::string> const& more,
                 std::vector<std::string> const& parts) const {
        try {
            (void)make(settings(more));
            ADD_FAILURE() << "not refused: " << parts.front();
        } catch (Error const& error) {
            EXPECT_EQ(error.exit_code(), 2) << error.what();
            for (auto const& part : parts) {
                EXPECT_THAT(error.what(), testing::HasSubstr(part));
            }
        }
    }

    static constexpr std::array<std::int64_t, 2> kLengths{12000, 5000};
    test::ScratchFolder folder_;
    std::map<genome::Region, std::string> regions_;
    std::filesystem::path genome_, bed_, meme_, clusters_, kc_, tss_;
    int number_ = 0;
};

TEST_F(FeaturesJob, RowsAreTheScannersFeaturesOfEachWindow) {
    for (std::string const length : {"400", "0", "31"}) {
        auto const atlas = run({{"scan.length_bp", length}, {"unit.regions", "17"}});
        ASSERT_EQ(atlas.region_count(), regions_.size());
        genome::Fasta fasta(genome_);
        genome::Scanner const scanner(atlas.scan_model());
        std::int64_t const window = std::stoll(length);
        std::vector<float> expected(atlas.feature_count());
        std::size_t row = 0;
        double sum = 0;
        for (auto const& [region, name] : regions_) {
            auto const chrom = static_cast<std::size_t>(region.chrom);
            auto start = region.start;
            auto end = region.end;
            if (window > 0) {
                start = std::max<std::int64_t>(0, (region.start + region.end) / 2 - window / 2);
                end = std::min(kLengths[chrom], (region.start + region.end) / 2 - window / 2 + window);
            }
            scanner.features(fasta.fetch(chrom, start, end), expected);
            ASSERT_THAT(atlas.features(row), testing::ElementsAreArray(expected)) << name;
            EXPECT_EQ(atlas.region_names()[row], name);
            sum += std::accumulate(expected.begin(), expected.end(), 0.0);
            ++row;
        }
        EXPECT_GT(sum, 100);  // there was something to compare
    }
}

TEST_F(FeaturesJob, BytesDoNotDependOnTheCutOrTheOrder) {
    std::map<std::string, std::string> more{{"accessibility.beds", "Kc=" + kc_.string()},
                                            {"regions.promoters", tss_.string()},
                                            {"scales", "cell_type"}};
    auto const hash = run(more).content_hash();
    for (std::string const cut : {"1", "5", "30", "100000"}) {
        more["unit.regions"] = cut;
        EXPECT_EQ(run(more, true).content_hash(), hash) << cut;
    }
}

TEST_F(FeaturesJob, ScalesAreColumnMaxima) {
    auto const atlas = run({{"accessibility.beds", "Kc=" + kc_.string()},
                            {"regions.promoters", tss_.string()},
                            {"motifs.clusters", clusters_.string()},
                            {"scales", "cell_type"}});
    EXPECT_THAT(atlas.feature_names(), testing::ElementsAre("C2", "C1"));
    EXPECT_THAT(atlas.scale_sets(), testing::ElementsAre("all_regions", "Kc"));
    std::vector<float> all(2, 0);
    std::vector<float> kc(2, 0);
    std::size_t row = 0;
    for (auto const& [region, name] : regions_) {
        bool const open = region.chrom == 0 && region.start < 3000;
        EXPECT_EQ(atlas.accessibility("Kc")[row], open ? 1 : 0) << name;
        EXPECT_EQ(atlas.promoter()[row], region.chrom == 1 && region.start < 1500 && region.end > 1000)
            << name;
        for (std::size_t feature = 0; feature < 2; ++feature) {
            auto const value = atlas.features(row)[feature];
            all[feature] = std::max(all[feature], value);
            kc[feature] = std::max(kc[feature], open ? value : 0.0F);
        }
        ++row;
    }
    EXPECT_THAT(atlas.scale("all_regions"), testing::ElementsAreArray(all));
    EXPECT_THAT(atlas.scale("Kc"), testing::ElementsAreArray(kc));
}

TEST_F(FeaturesJob, ExpressionComesFromATable) {
    std::string by_name = "region\tKc.plus\tKc.minus\ttotal\n";
    std::string by_place = "chrom\tstart\tend\tKc.plus\tKc.minus\ttotal\n";
    std::vector<float> minus;
    for (auto const& [region, name] : regions_) {
        minus.push_back(static_cast<float>(minus.size()) * 0.25F);
        auto const values =
            "\t0.5\t" + std::to_string(minus.back()) + "\t" + std::to_string(region.start) + "\n";
        by_name = by_name + name + values;
        by_place += "chr" + std::to_string(region.chrom + 1) + "\t" + std::to_string(region.start) + "\t" +
                    std::to_string(region.end) + values;
    }
    for (auto const& text : {by_name, by_place}) {
        auto const table = folder_.write("expression.tsv", text);
        auto const atlas = run({{"expression.table", table.string()}, {"unit.regions", "7"}});
        EXPECT_THAT(atlas.expression_names(), testing::ElementsAre("Kc.plus", "Kc.minus", "total"));
        EXPECT_THAT(atlas.expression("Kc.minus"), testing::ElementsAreArray(minus));
        EXPECT_EQ(atlas.expression("total").back(), static_cast<float>(regions_.rbegin()->first.start));
        EXPECT_THAT(atlas.describe(), testing::HasSubstr("3 expression columns"));
        EXPECT_NE(make(settings({{"expression.table", table.string()}}))->layout().identity,
                  make(settings())->layout().identity);
    }
    auto const unpaired = folder_.write(
        "unpaired.tsv", "region\tKc.plus\n" + [&] {
            std::string lines;
            for (auto const& [region, name] : regions_) lines += name + "\t1\n";
            return lines;
        }());
    refused({{"expression.table", unpaired.string()}}, {"expression.table", "'Kc.plus'", "no 'Kc.minus'"});
    auto const short_of = folder_.write("short.tsv", "region\ta\nregion0\t1\n");
    refused({{"expression.table", short_of.string()}}, {"short.tsv", "no line for region 'region1'"});
    auto const wrong = folder_.write("wrong.tsv", "region\ta\nregion0\t-1\n");
    refused({{"expression.table", wrong.string()}}, {"wrong.tsv, line 2", "'-1' for a"});
}

TEST_F(FeaturesJob, IdentityFollowsContentNotPaths) {
    auto const identity = make(settings())->layout().identity;
    auto const copy = folder_.path() / "copy.fa";
    std::filesystem::copy_file(genome_, copy);
    EXPECT_EQ(make(settings({{"genome.fasta", copy.string()}}))->layout().identity, identity);
    EXPECT_NE(make(settings({{"scan.p_value", "0.001"}}))->layout().identity, identity);
    EXPECT_NE(make(settings({{"motifs.clusters", clusters_.string()}}))->layout().identity, identity);
    EXPECT_NE(make(settings({{"accessibility.beds", "Kc=" + kc_.string()}}))->layout().identity, identity);
}

TEST_F(FeaturesJob, StopsWithinAUnit) {
    auto const job = make(settings());
    store::UnitRows rows(job->layout(), 0);
    std::stop_source stop;
    stop.request_stop();
    try {
        job->run(0, rows, stop.get_token());
        FAIL();
    } catch (Error const& error) {
        EXPECT_EQ(error.origin(), Origin::stopped);
    }
}

TEST_F(FeaturesJob, WrongInputIsRefused) {
    refused({{"motifs.jaspar", meme_.string()}}, {"test.toml: motifs.jaspar", "either"});
    refused({{"motifs.file", ""}}, {"motifs.jaspar"});
    refused({{"motifs.jaspar", meme_.string()}, {"motifs.file", ""}}, {"motifs.meme"});
    refused({{"scan.pseudocount", "some"}}, {"scan.pseudocount", "'some'"});
    refused({{"scan.pseudocount", "-1"}}, {"scan.pseudocount"});
    refused({{"scan.background", "0.1,0.2"}}, {"0.1,0.2"});
    refused({{"scales", "cell_type"}}, {"scales", "accessibility"});
    refused({{"accessibility.beds", "Kc"}}, {"test.toml: accessibility.beds", "name=path.bed"});
    refused({{"accessibility.beds", "Kc=" + kc_.string()}, {"accessibility.table", kc_.string()}},
            {"one of accessibility.beds, accessibility.table"});
    refused({{"genome.fasta", (folder_.path() / "none.fa").string()}}, {"none.fa"});
    auto const sizes = folder_.write("chrom.sizes", "chr1\t12000\nchr2\t4999\n");
    refused({{"genome.chrom_sizes", sizes.string()}}, {"genome.chrom_sizes", "chr2", "4999", "5000"});
    auto const more_sizes = folder_.write("more.sizes", "chr1\t12000\nchr2\t5000\nchr3\t800\n");
    auto const elsewhere = folder_.write("elsewhere.bed", "chr3\t10\t20\n");
    refused({{"genome.chrom_sizes", more_sizes.string()}, {"regions.bed", elsewhere.string()}},
            {"genome.fasta", "no sequence 'chr3'", "chr3:10-20"});
    auto const unknown = folder_.write("unknown.bed", "chr9\t10\t20\n");
    refused({{"regions.bed", unknown.string()}}, {"unknown.bed", "chr9"});
}

}  // namespace
}  // namespace mpira::jobs
