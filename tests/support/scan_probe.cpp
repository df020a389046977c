// Lets tests/python/scanner_moods_test.py and perf/scan.py look at the scanner from outside:
//   scan_probe model FASTA JASPAR                            the scan model of the default data, JSON
//   scan_probe hits FASTA JASPAR CHROM START END KERNEL      hits as TSV: motif, position, strand, score
//   scan_probe best FASTA JASPAR CHROM START END             best score of each motif, a line each
//   scan_probe tiles FASTA JASPAR CHROM START END LENGTH STEP  CPU seconds of one hits() pass and of the
//   features of
//                                                            all tiles, and their number
//   scan_probe time FASTA JASPAR CHROM START END KERNEL      for each line on stdin: CPU seconds of hits()
//   and of
//                                                            features(), and the number of hits
#include <algorithm>
#include <cstdio>
#include <exception>
#include <iostream>
#include <span>
#include <string>
#include <vector>

#include <time.h>

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include "mpira/base/error.hpp"
#include "mpira/base/text.hpp"
#include "mpira/genome/fasta.hpp"
#include "mpira/genome/scanner.hpp"

namespace {

using namespace mpira;
using namespace mpira::genome;

double cpu_seconds() {
    timespec now{};
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &now);
    return static_cast<double>(now.tv_sec) + 1e-9 * static_cast<double>(now.tv_nsec);
}

Kernel kernel_named(std::string_view name) {
    for (Kernel const kernel : {Kernel::automatic, Kernel::portable, Kernel::avx2, Kernel::avx512}) {
        if (name == name_of(kernel)) return kernel;
    }
    fail_usage(fmt::format("no kernel '{}'", name));
}

void print_model(ScanModel const& model) {
    nlohmann::json motifs = nlohmann::json::array();
    for (std::size_t m = 0; m < model.motif_count(); ++m) {
        motifs.push_back({{"id", model.motif_ids[m]},
                          {"name", model.motif_names[m]},
                          {"matrix", model.matrix(m)},
                          {"threshold", model.thresholds[m]}});
    }
    std::cout << nlohmann::json{{"motifs", motifs},
                                {"background", model.background},
                                {"p_value", model.p_value},
                                {"hash", model.hash()}}
              << '\n';
}

void time_scans(Scanner const& scanner, std::string const& sequence) {
    std::vector<float> features(scanner.feature_count());
    std::string line;
    while (std::getline(std::cin, line)) {
        double const start = cpu_seconds();
        std::size_t const count = scanner.hits(sequence).size();
        double const listed = cpu_seconds();
        scanner.features(sequence, features);
        double const summed = cpu_seconds();
        std::cout << fmt::format("{:.6f}\t{:.6f}\t{}\n", listed - start, summed - listed, count)
                  << std::flush;
    }
}

void time_tiles(Scanner const& scanner, std::string const& sequence, std::int64_t length, std::int64_t step) {
    require(length > 0 && step > 0, "scan_probe: LENGTH and STEP are positive");
    std::vector<Region> tiles;
    for (std::int64_t start = 0; start + length <= static_cast<std::int64_t>(sequence.size());
         start += step) {
        tiles.push_back({0, start, start + length});
    }
    double const start = cpu_seconds();
    std::size_t const hits = scanner.hits(sequence).size();
    double const listed = cpu_seconds();
    constexpr std::size_t kUnit = 4096;  // tiles a call, as a job's units would
    std::vector<float> features(kUnit * scanner.feature_count());
    for (std::size_t first = 0; first < tiles.size(); first += kUnit) {
        auto const unit = std::span(tiles).subspan(first, std::min(kUnit, tiles.size() - first));
        scanner.features_of_windows(sequence, 0, unit,
                                    std::span(features).first(unit.size() * scanner.feature_count()));
    }
    double const summed = cpu_seconds();
    std::cout << fmt::format("{:.3f}\t{:.3f}\t{}\t{}\n", listed - start, summed - listed, tiles.size(), hits);
}

void run(std::span<std::string const> args) {
    require(args.size() >= 3,
            "scan_probe model|hits|best|tiles|time FASTA JASPAR [CHROM START END [KERNEL]]");
    Fasta fasta(args[1]);
    auto const motifs = read_jaspar_sqlite(args[2], "CORE", "insects");
    auto const model = make_scan_model(motifs, one_feature_each(motifs), background_of(fasta), {});
    if (args[0] == "model") {
        print_model(model);
        return;
    }
    require(args.size() >= 6, "scan_probe: CHROM START END are missing");
    auto const sequence =
        fasta.fetch(args[3], text::to_integer(args[4]).value_or(-1), text::to_integer(args[5]).value_or(-1));
    if (args[0] == "tiles") {
        require(args.size() == 8, "scan_probe tiles: LENGTH and STEP are missing");
        time_tiles(Scanner(model), sequence, text::to_integer(args[6]).value_or(0),
                   text::to_integer(args[7]).value_or(0));
        return;
    }
    Scanner const scanner(model, kernel_named(args.size() > 6 ? args[6] : "automatic"));
    if (args[0] == "hits") {
        for (auto const& hit : scanner.hits(sequence)) {
            std::cout << fmt::format("{}\t{}\t{}\t{}\n", hit.motif, hit.position, hit.strand, hit.score);
        }
    } else if (args[0] == "best") {
        for (auto const score : scanner.best_scores(sequence)) std::cout << score << '\n';
    } else if (args[0] == "time") {
        time_scans(scanner, sequence);
    } else {
        fail_usage(fmt::format("scan_probe: no command '{}'", args[0]));
    }
}

}  // namespace

int main(int argc, char** argv) {
    try {
        run(std::vector<std::string>(argv + 1, argv + argc));
        return 0;
    } catch (Error const& error) {
        std::cerr << "scan_probe: " << error.what() << '\n';
        return error.exit_code();
    } catch (std::exception const& error) {
        std::cerr << "scan_probe: " << error.what() << '\n';
        return 1;
    }
}
