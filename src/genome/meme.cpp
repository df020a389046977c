#include <cmath>
#include <optional>
#include <string_view>
#include <unordered_map>

#include <fmt/format.h>

#include "mpira/base/error.hpp"
#include "mpira/base/text.hpp"

#include "genome/fields.hpp"
#include "genome/lines.hpp"
#include "genome/motif_formats.hpp"

namespace mpira::genome {
namespace {

/// The word after `key` ("w= 6" or "w=6") of a MEME matrix line, if there.
std::optional<std::string_view> value_after(std::string_view line, std::string_view key) {
    for (std::size_t at = line.find(key); at != std::string_view::npos; at = line.find(key, at + 1)) {
        if (at > 0 && line[at - 1] != ' ' && line[at - 1] != '\t') continue;
        auto const words = words_of(line.substr(at + key.size()));
        return words.empty() ? std::string_view() : words.front();
    }
    return std::nullopt;
}

/// Reads a MEME file line by line; the format is described at meme-suite.org/meme/doc/meme-format.html.
class MemeReader {
public:
    explicit MemeReader(std::filesystem::path const& file) : file_(file.string()), lines_(file) {}

    std::vector<Motif> read() {
        read_version();
        while (lines_.next()) {
            auto const line = text::trim(lines_.line());
            if (rows_left_ > 0) {
                read_row(line);
            } else if (line.starts_with("ALPHABET")) {
                read_alphabet(line);
            } else if (line.starts_with("MOTIF")) {
                start_motif(line);
            } else if (line.starts_with("letter-probability matrix:")) {
                start_matrix(line);
            }
        }
        if (rows_left_ != 0) {
            fail_usage(fmt::format("{}: ends inside motif '{}', {} rows are missing", file_,
                                   motifs_.back().id, rows_left_));
        }
        require_matrix();
        if (motifs_.empty()) fail_usage(fmt::format("{}: holds no motif", file_));
        return std::move(motifs_);
    }

private:
    void read_version() {
        while (lines_.next()) {
            auto const line = text::trim(lines_.line());
            if (line.empty() || line.starts_with('#')) continue;
            if (line.starts_with("MEME version")) return;
            lines_.refuse(
                "'MEME version 4' or later was expected first, or '>id name' (JASPAR), or AC, ID or VV "
                "(TRANSFAC); is this a file of motifs?");
        }
        fail_usage(fmt::format("{}: is empty", file_));
    }

    void read_alphabet(std::string_view line) {
        auto const at = line.find('=');
        auto const alphabet =
            at == std::string_view::npos ? text::trim(line.substr(8)) : text::trim(line.substr(at + 1));
        if (alphabet != "ACGT" && !alphabet.starts_with("\"DNA\"") && !alphabet.starts_with("DNA")) {
            lines_.refuse(fmt::format("alphabet '{}': only ACGT is known", alphabet));
        }
    }

    void start_motif(std::string_view line) {
        require_matrix();
        auto const words = words_of(line);
        if (words.size() < 2) lines_.refuse("MOTIF without an identifier");
        Motif motif{std::string(words[1]), std::string(words.size() > 2 ? words[2] : words[1]), {}};
        auto const [at, is_new] = seen_.emplace(motif.id, lines_.number());
        if (!is_new) lines_.refuse(fmt::format("motif '{}' is already on line {}", motif.id, at->second));
        motifs_.push_back(std::move(motif));
    }

    void start_matrix(std::string_view line) {
        if (motifs_.empty() || motifs_.back().width() > 0) lines_.refuse("a matrix without its MOTIF line");
        auto const width = value_after(line, "w=");
        auto const value = width ? text::to_integer(*width) : std::nullopt;
        if (!value || *value < 1) lines_.refuse("'w= <width>' was expected on the matrix line");
        auto const letters = value_after(line, "alength=");
        if (letters && *letters != "4") lines_.refuse(fmt::format("alength= {}: 4 was expected", *letters));
        sites_ = kDefaultSites;
        if (auto const sites = value_after(line, "nsites=")) {
            auto const count = text::to_number(*sites);
            if (!count || *count <= 0) {
                lines_.refuse(fmt::format("nsites= {}: a positive number was expected", *sites));
            }
            sites_ = *count;
        }
        rows_left_ = *value;
    }

    void read_row(std::string_view line) {
        auto const words = words_of(line);
        std::array<double, 4> row{};
        if (words.size() != 4) {
            lines_.refuse(fmt::format("four probabilities of motif '{}' were expected, {} rows are missing",
                                      motifs_.back().id, rows_left_));
        }
        double sum = 0;
        for (std::size_t base = 0; base < 4; ++base) {
            auto const value = text::to_number(words[base]);
            if (!value || *value < 0) {
                lines_.refuse(fmt::format("'{}' is not a probability", words[base]));
            }
            row[base] = *value;
            sum += *value;
        }
        if (std::abs(sum - 1) > 0.01) {
            lines_.refuse(fmt::format("the probabilities sum to {:.4g}, 1 was expected", sum));
        }
        for (double& value : row) value *= sites_ / sum;
        motifs_.back().counts.push_back(row);
        --rows_left_;
    }

    void require_matrix() {
        if (!motifs_.empty() && motifs_.back().width() == 0) {
            fail_usage(fmt::format("{}: motif '{}' (line {}) has no letter-probability matrix", file_,
                                   motifs_.back().id, seen_.at(motifs_.back().id)));
        }
    }

    std::string file_;
    Lines lines_;
    std::vector<Motif> motifs_;
    std::unordered_map<std::string, std::int64_t> seen_;
    std::int64_t rows_left_ = 0;
    double sites_ = kDefaultSites;
};

}  // namespace

std::vector<Motif> read_meme(std::filesystem::path const& file) {
    return MemeReader(file).read();
}

}  // namespace mpira::genome
