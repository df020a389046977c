#include <algorithm>
#include <array>
#include <charconv>
#include <cmath>
#include <limits>
#include <string_view>

#include <fmt/format.h>

#include "mpira/base/error.hpp"
#include "mpira/base/text.hpp"
#include "mpira/genome/cell_matrix.hpp"

#include "genome/fields.hpp"
#include "genome/lines.hpp"

namespace mpira::genome {
namespace {

namespace fs = std::filesystem;

constexpr std::uint32_t kNoPeak = std::numeric_limits<std::uint32_t>::max();
constexpr double kLargestExact = 9e15;  ///< of whole numbers in a double

/// The file of this name, plain or .gz; nothing where there is none.
fs::path find(fs::path const& folder, std::string const& name) {
    for (auto const& candidate : {folder / name, folder / (name + ".gz")})
        if (fs::exists(candidate)) return candidate;
    return {};
}

fs::path find_or_refuse(fs::path const& folder, std::string const& name) {
    auto file = find(folder, name);
    require(!file.empty(),
            fmt::format("{}: has no {} or {}.gz; a folder as Cell Ranger writes it was expected",
                        folder.string(), name, name));
    return file;
}

class MatrixMarket final : public CellMatrix {
public:
    explicit MatrixMarket(fs::path const& folder) {
        auto const barcodes = find_or_refuse(folder, "barcodes.tsv");
        auto rows = find(folder, "peaks.bed");
        bool const is_bed = !rows.empty();
        if (!is_bed) rows = find_or_refuse(folder, "features.tsv");
        files_ = {find_or_refuse(folder, "matrix.mtx"), rows, barcodes};
        read_barcodes(barcodes);
        is_bed ? read_peaks(rows) : read_features(rows);
        require(!peaks_.empty(), fmt::format("{}: no peak", rows.string()));
    }

    void read(std::function<void(Entry const&)> const& each) override {
        Lines lines(files_[0]);
        auto left = read_head(lines);
        while (lines.next()) {
            if (lines.line().empty()) continue;
            if (left-- == 0) lines.refuse("more entries than its head says");
            auto const [row, cell, count] = numbers(lines);
            if (row < 1 || row > std::ssize(peak_of_row_) || cell < 1 || cell > std::ssize(cells_) ||
                count < 0)
                lines.refuse(
                    fmt::format("row {}, column {}, value {}: expected 1 to {}, 1 to {}, and a count", row,
                                cell, count, peak_of_row_.size(), cells_.size()));
            auto const peak = peak_of_row_[static_cast<std::size_t>(row - 1)];
            if (peak != kNoPeak && count > 0) each({peak, static_cast<std::uint32_t>(cell - 1), count});
        }
        if (left != 0) fail_usage(fmt::format("{}: ends {} entries too early", files_[0].string(), left));
    }

private:
    void read_barcodes(fs::path const& file) {
        for (Lines lines(file); lines.next();)
            if (!lines.line().empty()) cells_.emplace_back(first_word(lines.line()));
    }
    void add_peak(std::string name) {
        peak_of_row_.push_back(static_cast<std::uint32_t>(peaks_.size()));
        peaks_.push_back(std::move(name));
    }
    void read_peaks(fs::path const& file) {
        std::vector<std::string_view> fields;
        for (Lines lines(file); lines.next();) {
            if (is_bed_remark(lines.line())) continue;
            split_fields(lines.line(), fields);
            if (fields.size() < 3) lines.refuse("chromosome, start and end were expected");
            add_peak(fmt::format("{}:{}-{}", fields[0], fields[1], fields[2]));
        }
    }
    void read_features(fs::path const& file) {
        for (Lines lines(file); lines.next();) {
            if (lines.line().empty()) continue;
            auto const fields = text::split(lines.line(), '\t');
            if (fields.size() > 2 && fields[2] != "Peaks") {
                peak_of_row_.push_back(kNoPeak);
            } else {
                add_peak(std::string(fields[0]));
            }
        }
    }
    /// Checks the banner and the sizes; gives the number of entries.
    [[nodiscard]] std::int64_t read_head(Lines& lines) const {
        if (!lines.next() || !lines.line().starts_with("%%MatrixMarket matrix coordinate ") ||
            !lines.line().ends_with(" general"))
            fail_usage(
                fmt::format("{}: '%%MatrixMarket matrix coordinate integer general' was expected first",
                            files_[0].string()));
        while (lines.next() && lines.line().starts_with('%')) {
        }
        auto const [rows, columns, entries] = numbers(lines);
        if (rows != std::ssize(peak_of_row_) || columns != std::ssize(cells_) || entries < 0)
            lines.refuse(
                fmt::format("{} rows and {} columns, but {} names {} and {} {}; are they of one folder?",
                            rows, columns, files_[1].filename().string(), peak_of_row_.size(),
                            files_[2].filename().string(), cells_.size()));
        return entries;
    }
    /// Three whole numbers between blanks; the last may be written 3.0 or 3e0, as R and scipy do.
    static std::array<std::int64_t, 3> numbers(Lines const& lines) {
        constexpr std::string_view kExpected = "three whole numbers were expected: row, column, count";
        std::array<std::int64_t, 3> found{};
        auto line = lines.line();
        for (auto& number : found) {
            line.remove_prefix(std::min(line.find_first_not_of(" \t"), line.size()));
            auto const [end, code] = std::from_chars(line.data(), line.data() + line.size(), number);
            if (code != std::errc()) lines.refuse(kExpected);
            auto const length = static_cast<std::size_t>(end - line.data());
            if (auto const value = text::trim(line); &number == &found.back() && length < value.size()) {
                auto const exact = text::to_number(value);
                if (!exact || std::abs(*exact) > kLargestExact || *exact != std::floor(*exact))
                    lines.refuse(kExpected);
                number = static_cast<std::int64_t>(*exact);
                return found;
            }
            line.remove_prefix(length);
        }
        return found;
    }

    std::vector<std::uint32_t> peak_of_row_;  ///< kNoPeak: a gene
};

}  // namespace

std::unique_ptr<CellMatrix> open_matrix_market(fs::path const& folder) {
    return std::make_unique<MatrixMarket>(folder);
}

}  // namespace mpira::genome
