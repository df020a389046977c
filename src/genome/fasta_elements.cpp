#include <algorithm>

#include <fmt/format.h>

#include "mpira/base/text.hpp"

#include "genome/element_file.hpp"
#include "genome/fields.hpp"
#include "genome/letters.hpp"

namespace mpira::genome {
namespace {

class FastaElements final : public ElementFile {
public:
    explicit FastaElements(std::filesystem::path const& file) : ElementFile(file) {
        find_records();
        for (std::uint64_t element = 0; element < size(); ++element) {
            if (name(element).empty()) refuse(element, "an element without a name");
            if (!text::is_utf8(name(element))) refuse(element, kNoText);
            std::uint64_t const letters = read(element, ambiguous_).size();
            if (letters == 0) refuse(element, fmt::format("element '{}' has no sequence", name(element)));
            count_length(letters);
        }
        offsets_.shrink_to_fit();
    }

    [[nodiscard]] std::string name(std::uint64_t element) const override {
        return std::string(first_word(line(element).substr(1)));
    }
    [[nodiscard]] std::string sequence(std::uint64_t element) override {
        std::uint64_t counted_when_opened = 0;
        return read(element, counted_when_opened);
    }
    [[nodiscard]] std::uint64_t length(std::uint64_t element) const override {
        return static_cast<std::uint64_t>(std::ranges::count_if(
            body(element), [](char letter) { return letter != '\n' && letter != '\r'; }));
    }
    [[nodiscard]] std::optional<ElementLibrary::Locus> locus(std::uint64_t /*element*/) const override {
        return std::nullopt;
    }
    [[nodiscard]] std::string column(std::uint64_t /*element*/, int /*number*/) const override { return {}; }
    [[nodiscard]] std::uint64_t ambiguous_letters() const noexcept override { return ambiguous_; }
    void add_to(ContentHash& hash) const override { hash.add("fasta").add(text_.all()); }
    [[nodiscard]] std::string describe() const override { return file_name(); }

private:
    void find_records() {
        for (std::size_t at = 0; at < text_.size(); at = text_.after(at)) {
            auto const here = text_.line(at);
            if (here.starts_with('>')) {
                add(at);
            } else if (size() == 0 && !text::trim(here).empty()) {
                text_.refuse(at, "a FASTA record must begin with '>'");
            }
        }
    }

    /// The lines of a record after its header.
    [[nodiscard]] std::string_view body(std::uint64_t element) const {
        std::size_t const begin = text_.after(offset(element));
        std::size_t const end = element + 1 < size() ? offset(element + 1) : text_.size();
        return text_.all().substr(begin, end - begin);
    }

    [[nodiscard]] std::string read(std::uint64_t element, std::uint64_t& ambiguous) const {
        auto const lines = body(element);
        std::string letters;
        letters.reserve(lines.size());
        for (char const& raw : lines) {
            if (raw == '\n' || raw == '\r') continue;
            char const letter = kLetters[static_cast<unsigned char>(raw)];
            if (letter == 0)
                text_.refuse(
                    static_cast<std::size_t>(&raw - text_.all().data()),
                    fmt::format("element '{}' has '{}', which is no IUPAC letter", name(element), raw));
            ambiguous += letter == 'n' ? 1 : 0;
            letters.push_back(letter == 'n' ? 'N' : letter);
        }
        return letters;
    }

    std::uint64_t ambiguous_ = 0;
};

}  // namespace

void ElementFile::count_length(std::uint64_t length) {
    shortest_ = std::min(shortest_, length);
    longest_ = std::max(longest_, length);
}

std::unique_ptr<ElementFile> open_fasta_elements(std::filesystem::path const& fasta) {
    return std::make_unique<FastaElements>(fasta);
}

}  // namespace mpira::genome
