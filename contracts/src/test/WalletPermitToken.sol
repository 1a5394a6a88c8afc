// SPDX-License-Identifier: MIT
pragma solidity ^0.8.24;

import {SignatureChecker} from "@openzeppelin/contracts/utils/cryptography/SignatureChecker.sol";
import {TestToken} from "../TestToken.sol";

/// @notice A token whose permit is judged as USDC judges it: an owner with code is asked, whoever made the signature.
contract WalletPermitToken is TestToken {
    bytes32 private constant PERMIT_TYPEHASH = keccak256(
        "Permit(address owner,address spender,uint256 value,uint256 nonce,uint256 deadline)"
    );

    error InvalidPermit(address owner);

    constructor() TestToken("Wallet Dollar", "WUSD", 6) {}

    function permit(
        address owner,
        address spender,
        uint256 value,
        uint256 deadline,
        uint8 v,
        bytes32 r,
        bytes32 s
    ) public override {
        if (block.timestamp > deadline) revert InvalidPermit(owner);
        bytes32 digest = _hashTypedDataV4(
            keccak256(abi.encode(PERMIT_TYPEHASH, owner, spender, value, _useNonce(owner), deadline))
        );
        if (!SignatureChecker.isValidSignatureNow(owner, digest, abi.encodePacked(r, s, v)))
            revert InvalidPermit(owner);
        _approve(owner, spender, value);
    }
}
