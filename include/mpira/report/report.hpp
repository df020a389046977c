#pragma once

#include <cstdint>
#include <filesystem>
#include <string>
#include <vector>

namespace mpira::report {

struct ReportChoice {
    std::string title;             ///< empty: made from the files
    std::string gene;              ///< whose links are shown; empty: that with the highest prediction
    std::filesystem::path tables;  ///< a folder for every table as TSV; empty: none
    std::string program;           ///< who makes it, "mpira 0.1.0 (git ...)"
    bool overwrite = false;
};

struct ReportFacts {
    std::uint64_t sections = 0;
    std::uint64_t tables = 0;
    std::uint64_t bytes = 0;
};

/// The most a page may have.
inline constexpr std::uint64_t kMostPageBytes = 8'000'000;

/// One HTML page that needs nothing else (no network, no other file), of result files (unfinished ones, too),
/// weights and metrics of mpira train, folders of mpira evaluate, in the order given: a section each. An
/// atlas among them names the regions of results that were computed from it. Text of files is escaped, and a
/// policy in the page lets no script but ours run.
///
/// Page and tables are written aside and renamed. Serial, no MPI; memory: a few columns of each file at a
/// time, and the names of its rows. Errors: Origin::usage for a file that is none of ours, an output that
/// exists or that is one of the files, a gene that no file has, and files too many for a page.
ReportFacts write_report(std::vector<std::filesystem::path> const& files, std::filesystem::path const& output,
                         ReportChoice const& choice);

}  // namespace mpira::report
