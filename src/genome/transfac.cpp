#include <algorithm>
#include <optional>
#include <string_view>
#include <utility>

#include <fmt/format.h>

#include "mpira/base/error.hpp"
#include "mpira/base/text.hpp"

#include "genome/fields.hpp"
#include "genome/lines.hpp"
#include "genome/motif_formats.hpp"
#include "genome/motif_list.hpp"

namespace mpira::genome {
namespace {

/// Reads records of two-letter fields that end with //; those without any matrix field (the file's head) hold
/// no motif.
class TransfacReader {
public:
    explicit TransfacReader(std::filesystem::path const& file)
        : file_(file.string()), lines_(file), motifs_(lines_) {}

    std::vector<Motif> read() {
        while (lines_.next()) {
            auto const words = words_of(lines_.line());
            if (words.empty() || words[0].starts_with('#')) continue;
            if (words[0] == "//") {
                finish();
            } else {
                read_field(words);
            }
        }
        if (!record_.empty()) {
            fail_usage(fmt::format("{}: ends inside motif '{}', '//' was expected", file_, record_.id()));
        }
        return motifs_.take(file_);
    }

private:
    struct Record {
        std::string accession, identifier, name;
        std::int64_t begin = 0;  ///< line of its first field that says what it is
        std::optional<std::array<std::size_t, 4>> base_of_column;
        std::vector<std::array<double, 4>> counts;
        std::int64_t last_row = 0;

        [[nodiscard]] std::string const& id() const { return accession.empty() ? identifier : accession; }
        [[nodiscard]] bool empty() const { return begin == 0; }
    };

    void read_field(std::vector<std::string_view> const& words) {
        auto const key = words[0];
        if (key == "P0" || key == "PO") {
            read_bases(words);
        } else if (auto const number = text::to_integer(key); number && record_.base_of_column) {
            read_row(*number, words);
        } else if (key == "AC") {
            name(record_.accession, words);
        } else if (key == "ID") {
            name(record_.identifier, words);
        } else if (key == "NA") {
            name(record_.name, words);
        } else if (number) {
            lines_.refuse("a row of a matrix before its P0 line");
        }
    }

    void name(std::string& field, std::vector<std::string_view> const& words) {
        if (words.size() < 2) lines_.refuse(fmt::format("{} without a name", words[0]));
        if (!field.empty()) {
            lines_.refuse(
                fmt::format("a second {} in motif '{}'; does '//' lack before it?", words[0], record_.id()));
        }
        field = words[1];
        if (record_.empty()) record_.begin = lines_.number();
    }

    void read_bases(std::vector<std::string_view> const& words) {
        if (record_.base_of_column) lines_.refuse(fmt::format("a second matrix in motif '{}'", record_.id()));
        constexpr std::string_view kBases = "ACGT";
        std::array<std::size_t, 4> bases{};
        std::array<bool, 4> seen{};
        for (std::size_t column = 0; column < 4; ++column) {
            auto const word = column + 1 < words.size() ? words[column + 1] : std::string_view();
            auto const base = word.size() == 1 ? kBases.find(word[0]) : kBases.npos;
            if (base == kBases.npos || seen[base]) {
                lines_.refuse(fmt::format("{}: the bases A, C, G and T were expected, each once", words[0]));
            }
            bases[column] = base;
            seen[base] = true;
        }
        record_.base_of_column = bases;
        if (record_.empty()) record_.begin = lines_.number();
    }

    void read_row(std::int64_t number, std::vector<std::string_view> const& words) {
        bool const starts = record_.counts.empty() && (number == 0 || number == 1);
        if (!starts && (record_.counts.empty() || number != record_.last_row + 1)) {
            lines_.refuse(fmt::format("row {} of motif '{}': {} was expected", words[0], record_.id(),
                                      record_.counts.empty() ? 1 : record_.last_row + 1));
        }
        if (words.size() < 5) lines_.refuse("four counts were expected after the row's number");
        std::array<double, 4> row{};
        for (std::size_t column = 0; column < 4; ++column) {
            row[(*record_.base_of_column)[column]] = count_of(words[column + 1], lines_);
        }
        record_.counts.push_back(row);
        record_.last_row = number;
    }

    void finish() {
        auto record = std::exchange(record_, {});
        if (record.empty()) return;
        if (record.id().empty()) {
            lines_.refuse(fmt::format("the motif of line {} has neither AC nor ID", record.begin));
        }
        auto const& name = record.name.empty() ? record.identifier : record.name;
        motifs_.add(Motif{record.id(), name.empty() ? record.id() : name, std::move(record.counts)},
                    record.begin);
    }

    std::string file_;
    Lines lines_;
    MotifList motifs_;
    Record record_;
};

}  // namespace

std::vector<Motif> read_transfac(std::filesystem::path const& file) {
    return TransfacReader(file).read();
}

}  // namespace mpira::genome
