//! The examples of RFC 7541, appendix C, and what a hostile encoder may try.

use super::{DecodeError, Decoder, FIELD_OVERHEAD, Fields, HpackFault, TABLE_SIZE, encode, huffman, integer};

/// A block written as hexadecimal digits, as the RFC prints it.
fn hex(digits: &str) -> Vec<u8> {
    let digits: Vec<u8> = digits.bytes().filter(u8::is_ascii_hexdigit).collect();
    let byte = |pair: &[u8]| u8::from_str_radix(std::str::from_utf8(pair).unwrap(), 16).unwrap();
    digits.chunks(2).map(byte).collect()
}

/// The fields of a block, one `name: value` per line.
fn decode(decoder: &mut Decoder, block: &[u8]) -> Result<String, DecodeError> {
    let mut fields = Fields::default();
    decoder.decode(block, usize::MAX, &mut fields)?;
    let text = |bytes: &[u8]| String::from_utf8(bytes.to_vec()).unwrap();
    Ok(fields.all().map(|(name, value)| format!("{}: {}\n", text(name), text(value))).collect())
}

/// Decodes each block and compares its fields, and the size of the dynamic table after it.
fn check(decoder: &mut Decoder, blocks: &[(&str, &str, usize)]) {
    for (block, fields, table_size) in blocks {
        assert_eq!(decode(decoder, &hex(block)).as_deref(), Ok(*fields));
        assert_eq!(decoder.table_size(), *table_size, "{fields}");
    }
}

fn fault(block: &[u8]) -> HpackFault {
    match decode(&mut Decoder::new(), block) {
        Err(DecodeError::Fault(fault)) => fault,
        other => panic!("{other:?}"),
    }
}

#[test]
fn integers_of_the_appendix_are_decoded() {
    for (bits, bytes, value) in
        [(5, &[0x0a_u8][..], 10), (5, &[0x1f, 0x9a, 0x0a], 1337), (8, &[0x2a], 42), (5, &[0x1f, 0], 31)]
    {
        let mut rest = bytes;
        assert_eq!(integer::decode(bits, &mut rest), Ok(value));
        assert_eq!(rest, b"");

        let mut encoded = Vec::new();
        integer::encode(bits, 0, value as usize, &mut encoded);
        assert_eq!(encoded, bytes);
    }
}

#[test]
fn integers_have_at_most_32_bits_in_five_bytes() {
    let decode = |mut bytes: &[u8]| integer::decode(7, &mut bytes);

    assert_eq!(decode(&[0x7f, 0x80, 0xff, 0xff, 0xff, 0x0f]), Ok(u32::MAX));
    assert_eq!(decode(&[0x7f, 0x81, 0xff, 0xff, 0xff, 0x0f]), Err(HpackFault::Integer));
    assert_eq!(decode(&[0x7f, 0x80, 0x80, 0x80, 0x80, 0x80, 0]), Err(HpackFault::Integer));
    assert_eq!(decode(&[0x7f, 0x80]), Err(HpackFault::Truncated));
    assert_eq!(decode(&[]), Err(HpackFault::Truncated));
}

#[test]
fn representations_of_the_appendix_are_decoded() {
    let blocks = [
        (
            "400a 6375 7374 6f6d 2d6b 6579 0d63 7573 746f 6d2d 6865 6164 6572",
            "custom-key: custom-header\n",
            55,
        ),
        ("040c 2f73 616d 706c 652f 7061 7468", ":path: /sample/path\n", 0),
        ("1008 7061 7373 776f 7264 0673 6563 7265 74", "password: secret\n", 0),
        ("82", ":method: GET\n", 0),
    ];
    for block in blocks {
        check(&mut Decoder::new(), &[block]);
    }
}

#[test]
fn requests_of_the_appendix_are_decoded() {
    let first = ":method: GET\n:scheme: http\n:path: /\n:authority: www.example.com\n";
    let second =
        ":method: GET\n:scheme: http\n:path: /\n:authority: www.example.com\ncache-control: no-cache\n";
    let third = ":method: GET\n:scheme: https\n:path: /index.html\n:authority: www.example.com\ncustom-key: custom-value\n";
    let plain = [
        ("8286 8441 0f77 7777 2e65 7861 6d70 6c65 2e63 6f6d", first, 57),
        ("8286 84be 5808 6e6f 2d63 6163 6865", second, 110),
        ("8287 85bf 400a 6375 7374 6f6d 2d6b 6579 0c63 7573 746f 6d2d 7661 6c75 65", third, 164),
    ];
    let huffman = [
        ("8286 8441 8cf1 e3c2 e5f2 3a6b a0ab 90f4 ff", first, 57),
        ("8286 84be 5886 a8eb 1064 9cbf", second, 110),
        ("8287 85bf 4088 25a8 49e9 5ba9 7d7f 8925 a849 e95b b8e8 b4bf", third, 164),
    ];
    for blocks in [plain, huffman] {
        check(&mut Decoder::new(), &blocks);
    }
}

#[test]
fn responses_of_the_appendix_are_decoded() {
    let first = ":status: 302\ncache-control: private\ndate: Mon, 21 Oct 2013 20:13:21 GMT\nlocation: https://www.example.com\n";
    let second = ":status: 307\ncache-control: private\ndate: Mon, 21 Oct 2013 20:13:21 GMT\nlocation: https://www.example.com\n";
    let third = ":status: 200\ncache-control: private\ndate: Mon, 21 Oct 2013 20:13:22 GMT\nlocation: https://www.example.com\ncontent-encoding: gzip\nset-cookie: foo=ASDJKHQKBZXOQWEOPIUAXQWEOIU; max-age=3600; version=1\n";
    let plain = [
        (
            "4803 3330 3258 0770 7269 7661 7465 611d 4d6f 6e2c 2032 3120 4f63 7420 3230 3133 2032 303a 3133 3a32
             3120 474d 546e 1768 7474 7073 3a2f 2f77 7777 2e65 7861 6d70 6c65 2e63 6f6d",
            first,
            222,
        ),
        ("4803 3330 37c1 c0bf", second, 222),
        (
            "88c1 611d 4d6f 6e2c 2032 3120 4f63 7420 3230 3133 2032 303a 3133 3a32 3220 474d 54c0 5a04 677a 6970
             7738 666f 6f3d 4153 444a 4b48 514b 425a 584f 5157 454f 5049 5541 5851 5745 4f49 553b 206d 6178 2d61
             6765 3d33 3630 303b 2076 6572 7369 6f6e 3d31",
            third,
            215,
        ),
    ];
    let huffman = [
        (
            "4882 6402 5885 aec3 771a 4b61 96d0 7abe 9410 54d4 44a8 2005 9504 0b81 66e0 82a6 2d1b ff6e 919d 29ad
             1718 63c7 8f0b 97c8 e9ae 82ae 43d3",
            first,
            222,
        ),
        ("4883 640e ffc1 c0bf", second, 222),
        (
            "88c1 6196 d07a be94 1054 d444 a820 0595 040b 8166 e084 a62d 1bff c05a 839b d9ab 77ad 94e7 821d d7f2
             e6c7 b335 dfdf cd5b 3960 d5af 2708 7f36 72c1 ab27 0fb5 291f 9587 3160 65c0 03ed 4ee5 b106 3d50 07",
            third,
            215,
        ),
    ];
    for blocks in [plain, huffman] {
        let mut decoder = Decoder::new();
        // The appendix assumes a table of 256 bytes, so that entries are evicted.
        assert_eq!(decode(&mut decoder, &hex("3fe101")).as_deref(), Ok(""));
        check(&mut decoder, &blocks);
    }
}

#[test]
fn every_byte_has_its_huffman_code() {
    let all: Vec<u8> = (0..=255).collect();
    for text in all.chunks(1).chain(all.chunks(7)).chain([&all[..]]) {
        let mut decoded = Vec::new();
        huffman::decode(&huffman::encode(text), &mut decoded).unwrap();
        assert_eq!(decoded, text);
    }
    // Some codes as the appendix prints them: the shortest, some of the longest, and EOS.
    assert_eq!(huffman::code(u16::from(b'0')), "00000");
    assert_eq!(huffman::code(u16::from(b'\n')), "111111111111111111111111111100");
    assert_eq!(huffman::code(249), "1111111111111111111111111110");
    assert_eq!(huffman::code(256), "1".repeat(30));
}

fn packed(bits: &str) -> Vec<u8> {
    bits.as_bytes()
        .chunks(8)
        .map(|byte| u8::from_str_radix(std::str::from_utf8(byte).unwrap(), 2).unwrap())
        .collect()
}

#[test]
fn huffman_padding_is_less_than_a_byte_of_ones() {
    let decode = |bits: &str| {
        let mut text = Vec::new();
        huffman::decode(&packed(bits), &mut text).map(|()| text)
    };

    assert_eq!(decode("00000111"), Ok(b"0".to_vec()));
    assert_eq!(decode("00000000"), Err(HpackFault::Huffman));
    assert_eq!(decode("0000011111111111"), Err(HpackFault::Huffman));
    assert_eq!(decode(&"1".repeat(32)), Err(HpackFault::Huffman));
    assert_eq!(decode(""), Ok(Vec::new()));
}

#[test]
fn faults_of_blocks_are_told_apart() {
    assert_eq!(fault(&[0x80]), HpackFault::Index(0));
    assert_eq!(fault(&[0xbe]), HpackFault::Index(62));
    assert_eq!(fault(&[0x7f, 0xff, 0xff, 0xff, 0xff, 0xff]), HpackFault::Integer);
    assert_eq!(fault(&[0x00, 0x05, b'n']), HpackFault::Truncated);
    assert_eq!(fault(&[0x00, 0x01, b'n']), HpackFault::Truncated);
    assert_eq!(fault(&[0x00, 0x81, 0x00, 0x00]), HpackFault::Huffman);
    assert_eq!(fault(&[0x3f, 0xe2, 0x1f]), HpackFault::TableSize(4097));
    assert_eq!(fault(&[0x88, 0x20]), HpackFault::LateSizeUpdate);
}

#[test]
fn the_table_evicts_old_entries_and_refuses_large_ones() {
    let mut decoder = Decoder::new();
    let mut add = |name: &str, length: usize| {
        let mut block = Vec::new();
        encode(name.as_bytes(), "v".repeat(length).as_bytes(), &mut block);
        block[0] = 0x40;
        decode(&mut decoder, &block).unwrap();
        (decoder.table_size(), decode(&mut decoder, &[0xbe]).is_ok())
    };

    assert_eq!(add("a", 2000), (2000 + 1 + FIELD_OVERHEAD, true));
    assert_eq!(add("b", 2100), (2100 + 1 + FIELD_OVERHEAD, true));
    assert_eq!(add("c", TABLE_SIZE), (0, false));
    assert_eq!(add("d", TABLE_SIZE - 1 - FIELD_OVERHEAD), (TABLE_SIZE, true));
}

#[test]
fn a_name_of_the_entry_that_it_evicts_is_kept() {
    let mut decoder = Decoder::new();
    let mut block = Vec::new();
    encode(b"name", "v".repeat(4000).as_bytes(), &mut block);
    block[0] = 0x40;
    decode(&mut decoder, &block).unwrap();
    let mut block = vec![0x40 | 0x3e];
    integer::encode(7, 0, 3000, &mut block);
    block.extend(vec![b'w'; 3000]);

    assert_eq!(decode(&mut decoder, &block).unwrap(), format!("name: {}\n", "w".repeat(3000)));
    assert_eq!(decoder.table_size(), 4 + 3000 + FIELD_OVERHEAD);
}

#[test]
fn a_small_block_cannot_decode_to_more_than_the_limit() {
    let mut decoder = Decoder::new();
    let mut block = Vec::new();
    encode(b"n", "v".repeat(4000).as_bytes(), &mut block);
    block[0] = 0x40;
    block.extend([0xbe; 100]);
    let mut fields = Fields::default();

    assert_eq!(decoder.decode(&block, 64 * 1024, &mut fields), Err(DecodeError::TooLarge));
    assert!(fields.all().count() <= 16);
}

#[test]
fn fields_are_encoded_as_they_are() {
    let mut block = Vec::new();
    encode(b"X-Custom", b"Some Value", &mut block);
    encode(b"n", "v".repeat(200).as_bytes(), &mut block);

    let expected = format!("X-Custom: Some Value\nn: {}\n", "v".repeat(200));
    assert_eq!(decode(&mut Decoder::new(), &block), Ok(expected));
}
