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

constexpr std::string_view kBases = "ACGT";

/// Reads ">id name" and four rows each, with or without their letters and brackets.
class JasparReader {
public:
    explicit JasparReader(std::filesystem::path const& file)
        : file_(file.string()), lines_(file), motifs_(lines_) {}

    std::vector<Motif> read() {
        while (lines_.next()) {
            auto const line = text::trim(lines_.line());
            if (line.empty() || line.starts_with('#')) continue;
            if (line.starts_with('>')) {
                finish();
                start(line.substr(1));
            } else {
                read_row(line);
            }
        }
        finish();
        return motifs_.take(file_);
    }

private:
    void start(std::string_view title) {
        auto const words = words_of(title);
        if (words.empty()) lines_.refuse("'>' without an identifier");
        motif_ = Motif{std::string(words[0]), std::string(words.size() > 1 ? words[1] : words[0]), {}};
        begin_ = lines_.number();
        rows_ = 0;
        has_row_ = {};
    }

    void read_row(std::string_view line) {
        if (!motif_ || rows_ == 4)
            lines_.refuse(
                "'>id name' was expected: a motif has four rows, one a base, with a count a position");
        std::size_t base = rows_;
        if (auto const letter = kBases.find(static_cast<char>(line[0] & ~0x20)); letter != kBases.npos) {
            base = letter;
            line = text::trim(line.substr(1));
        }
        if (line.starts_with('[')) {
            if (!line.ends_with(']')) lines_.refuse("'[' without ']' at the end of the row");
            line = line.substr(1, line.size() - 2);
        }
        if (has_row_[base])
            lines_.refuse(fmt::format("motif '{}' has two rows {}", motif_->id, kBases[base]));
        auto const words = words_of(line);
        if (rows_ == 0) motif_->counts.resize(words.size());
        if (words.empty() || words.size() != motif_->width()) {
            lines_.refuse(fmt::format("row {} of motif '{}' has {} counts, its first row {}", kBases[base],
                                      motif_->id, words.size(), motif_->width()));
        }
        for (std::size_t position = 0; position < words.size(); ++position) {
            motif_->counts[position][base] = count_of(words[position], lines_);
        }
        has_row_[base] = true;
        ++rows_;
    }

    void finish() {
        if (!motif_) return;
        if (rows_ != 4) {
            fail_usage(fmt::format("{} line {}: motif '{}' has {} rows, 4 were expected (A, C, G, T)", file_,
                                   begin_, motif_->id, rows_));
        }
        motifs_.add(std::move(*motif_), begin_);
        motif_.reset();
    }

    std::string file_;
    Lines lines_;
    MotifList motifs_;
    std::optional<Motif> motif_;
    std::int64_t begin_ = 0;  ///< line of its title
    std::size_t rows_ = 0;
    std::array<bool, 4> has_row_{};
};

}  // namespace

std::vector<Motif> read_jaspar_text(std::filesystem::path const& file) {
    return JasparReader(file).read();
}

}  // namespace mpira::genome
