#pragma once

#include <cstdint>
#include <filesystem>
#include <limits>
#include <memory>
#include <optional>
#include <source_location>
#include <string>
#include <string_view>
#include <vector>

#include "mpira/base/checksum.hpp"
#include "mpira/base/mapped_text.hpp"
#include "mpira/genome/elements.hpp"

namespace mpira::genome {

/// The elements of one file, read where they lie: what ElementLibrary needs of a FASTA or a BED. Whoever
/// makes one has checked all of it.
class ElementFile {
public:
    explicit ElementFile(std::filesystem::path const& file) : text_(file) {}
    ElementFile(ElementFile const&) = delete;
    ElementFile& operator=(ElementFile const&) = delete;
    virtual ~ElementFile() = default;

    [[nodiscard]] std::uint64_t size() const noexcept { return offsets_.size(); }
    [[nodiscard]] std::string file_name() const { return text_.file().string(); }
    [[nodiscard]] std::uint64_t shortest() const noexcept { return shortest_; }
    [[nodiscard]] std::uint64_t longest() const noexcept { return longest_; }
    /// "elements.fa, line 12", for messages.
    [[nodiscard]] std::string place(std::uint64_t element) const { return text_.place(offset(element)); }
    [[noreturn]] void refuse(std::uint64_t element, std::string_view what,
                             std::source_location where = std::source_location::current()) const {
        text_.refuse(offset(element), what, where);
    }

    [[nodiscard]] virtual std::string name(std::uint64_t element) const = 0;
    /// From here on names are places, chrom:start-end; false where elements have none.
    virtual bool name_by_place() { return false; }
    [[nodiscard]] virtual std::string sequence(std::uint64_t element) = 0;
    [[nodiscard]] virtual std::uint64_t length(std::uint64_t element) const = 0;
    [[nodiscard]] virtual std::optional<ElementLibrary::Locus> locus(std::uint64_t element) const = 0;
    [[nodiscard]] virtual bool has_strands() const noexcept { return false; }
    /// Column (1-based) of a line that is known to have it; for files with columns.
    [[nodiscard]] virtual std::string column(std::uint64_t element, int number) const = 0;
    [[nodiscard]] virtual std::uint64_t ambiguous_letters() const noexcept = 0;
    /// The content that decides sequences and names.
    virtual void add_to(ContentHash& hash) const = 0;
    /// "tiles.bed and genome.fa"
    [[nodiscard]] virtual std::string describe() const = 0;

protected:
    /// Names become those of rows, which other programs read.
    static constexpr std::string_view kNoText = "no UTF-8 text, or with a NUL character; a name must be one";

    [[nodiscard]] std::size_t offset(std::uint64_t element) const {
        return static_cast<std::size_t>(offsets_[element]);
    }
    [[nodiscard]] std::string_view line(std::uint64_t element) const { return text_.line(offset(element)); }
    /// Counts an element that begins at `at`. Call in the order of the file.
    void add(std::size_t at) { offsets_.push_back(at); }
    void count_length(std::uint64_t length);

    MappedText text_;
    std::vector<std::uint64_t> offsets_;  ///< of the header ('>') or of the BED line

private:
    std::uint64_t shortest_ = std::numeric_limits<std::uint64_t>::max();
    std::uint64_t longest_ = 0;
};

std::unique_ptr<ElementFile> open_fasta_elements(std::filesystem::path const& fasta);
std::unique_ptr<ElementFile> open_bed_elements(std::filesystem::path const& bed,
                                               std::filesystem::path const& genome, int group_column);

}  // namespace mpira::genome
