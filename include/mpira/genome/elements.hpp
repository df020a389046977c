#pragma once

#include <cstdint>
#include <filesystem>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace mpira::genome {

/// Where the elements of a library come from. Exactly one of `fasta` and `bed` is given; `bed` needs
/// `genome`.
struct ElementSource {
    std::filesystem::path fasta{};  ///< one record an element, name = first word of the header
    /// BED3 and more. Name: column 4, or chrom:start-end, with "(-)" behind on the reverse strand, where it
    /// is absent or ".". Strand: column 6. An element on '-' is the reverse complement of its interval, as it
    /// was cloned; '+', '.' and no column 6 are the interval as the genome's FASTA writes it.
    std::filesystem::path bed{};
    std::filesystem::path genome{};  ///< FASTA the BED's sequences are cut from
    /// One FASTA record with `placeholder` where the element goes: the reporter's surroundings. Empty: none.
    std::filesystem::path vector{};
    std::string placeholder = "__Enhancer__";
    /// TSV without header: element name, group name (one line an element, any order). Empty: see
    /// group_column.
    std::filesystem::path groups{};
    /// Column (1-based) of the BED that holds the group; 0: none. If that is 6, no strand is read.
    int group_column = 0;
};

/// Share of G and C among the letters ACGT of an upper-case sequence; not a number without one.
[[nodiscard]] float gc_share(std::string_view sequence);

/// A library of elements, read as it is needed: what is kept per element is an offset into the mapped file
/// and a group number (12 bytes), no sequence and no name. 200,000 elements take 2.4 MB.
///
/// Sequences are upper case ACGTN: other IUPAC letters become N and are counted. open() reads everything once
/// and throws Origin::usage, naming file, line and element, on: no element, an empty sequence, a letter that
/// is no IUPAC code, a name used twice, a coordinate beyond the chromosome or an unknown chromosome, a strand
/// that is none of + - . , an element without a group (or a group line without an element) when groups are
/// asked for, a vector without the placeholder or with two. Letters of a genome under a BED are checked when
/// they are read: such an element is refused then, by sequence and position.
///
/// Threads: one at a time (the genome reader keeps a position). Move-only.
class ElementLibrary {
public:
    static ElementLibrary open(ElementSource const& source);
    ElementLibrary(ElementLibrary&&) noexcept;
    ElementLibrary& operator=(ElementLibrary&&) noexcept;
    ~ElementLibrary();

    [[nodiscard]] std::uint64_t size() const noexcept;
    [[nodiscard]] std::string name(std::uint64_t element) const;
    /// Upper case ACGTN, without vector; of the element's own strand.
    [[nodiscard]] std::string sequence(std::uint64_t element) const;
    [[nodiscard]] std::uint64_t length(std::uint64_t element) const;

    /// Groups in order of first appearance; empty without groups.
    [[nodiscard]] std::vector<std::string> const& group_names() const noexcept;
    [[nodiscard]] std::uint32_t group(std::uint64_t element) const;  ///< index into group_names()

    /// Where the element lies, for libraries from BED. chrom is valid until the library is destroyed.
    struct Locus {
        std::string_view chrom;
        std::int64_t start = 0;
        std::int64_t end = 0;
        char strand = '.';  ///< '+', '-', or '.' where the BED doesn't say
    };
    [[nodiscard]] std::optional<Locus> locus(std::uint64_t element) const;
    [[nodiscard]] bool has_strands() const noexcept;  ///< whether a line of the BED says a strand

    [[nodiscard]] bool has_vector() const noexcept;
    /// What is scanned for motifs: `scan_length` bp centred on the element in its vector (position
    /// floor(length / 2) of the element at floor(scan_length / 2)), never the whole plasmid, whose motifs
    /// would saturate every element alike. Shorter where vector or element end; a longer element is cut to
    /// its middle. 0: the element alone.
    [[nodiscard]] std::string scan_sequence(std::uint64_t element, std::uint64_t scan_length) const;
    /// The same around another insert, such as a shuffled element: the vector is kept as it is.
    [[nodiscard]] std::string scan_sequence_of(std::string_view insert, std::uint64_t scan_length) const;
    /// The vector alone, centred on the empty place of the element; empty without vector or with 0.
    [[nodiscard]] std::string vector_scan_sequence(std::uint64_t scan_length) const;

    [[nodiscard]] std::uint64_t ambiguous_letters() const noexcept;  ///< IUPAC letters that became N
    /// Names the content (elements, vector, groups, and for BED the genome file), whatever the paths.
    [[nodiscard]] std::string const& content_hash() const noexcept;
    /// "300 elements of 500 bp from tiles.bed, ..." for the log.
    [[nodiscard]] std::string describe() const;

private:
    struct State;
    explicit ElementLibrary(std::unique_ptr<State> state);
    std::unique_ptr<State> state_;
};

}  // namespace mpira::genome
