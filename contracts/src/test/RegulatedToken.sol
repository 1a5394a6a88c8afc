// SPDX-License-Identifier: MIT
pragma solidity ^0.8.24;

import {TestToken} from "../TestToken.sol";

/// @notice A token that its issuer governs as USDC's does: it can be paused, permits included, and accounts can be barred
/// from sending, receiving and allowing.
contract RegulatedToken is TestToken {
    mapping(address account => bool isBarred) public isBarred;
    bool public paused;

    constructor(string memory name_, string memory symbol_, uint8 decimals_) TestToken(name_, symbol_, decimals_) {}

    function setPaused(bool paused_) external {
        paused = paused_;
    }

    function setBarred(address account, bool barred) external {
        isBarred[account] = barred;
    }

    function _update(address from, address to, uint256 amount) internal override {
        require(!paused, "Pausable: paused");
        require(!isBarred[from] && !isBarred[to], "Blacklistable: account is blacklisted");
        super._update(from, to, amount);
    }

    function _approve(address owner, address spender, uint256 amount, bool emitEvent) internal override {
        require(!paused, "Pausable: paused");
        require(!isBarred[owner], "Blacklistable: account is blacklisted");
        super._approve(owner, spender, amount, emitEvent);
    }
}
