// SPDX-License-Identifier: MIT
pragma solidity ^0.8.24;

/// @notice A token as USDT on Ethereum is: its calls return nothing, an allowance is set to zero before it is set to another
/// amount, it can be paused, and accounts can be barred from sending.
contract UsdtToken {
    string public constant name = "Tether-like";
    string public constant symbol = "USDX";
    uint8 public immutable decimals;

    mapping(address owner => uint256 balance) public balanceOf;
    mapping(address owner => mapping(address spender => uint256 amount)) public allowance;
    mapping(address account => bool isBarred) public isBarred;
    bool public paused;

    constructor(uint8 decimals_) {
        decimals = decimals_;
    }

    function mint(address to, uint256 amount) external {
        balanceOf[to] += amount;
    }

    function setPaused(bool paused_) external {
        paused = paused_;
    }

    function setBarred(address account, bool barred) external {
        isBarred[account] = barred;
    }

    function approve(address spender, uint256 amount) external {
        // As there: no reason is given.
        require(amount == 0 || allowance[msg.sender][spender] == 0);
        allowance[msg.sender][spender] = amount;
    }

    function transfer(address to, uint256 amount) external {
        _transfer(msg.sender, to, amount);
    }

    function transferFrom(address from, address to, uint256 amount) external {
        uint256 allowed = allowance[from][msg.sender];
        require(allowed >= amount);
        if (allowed != type(uint256).max) allowance[from][msg.sender] = allowed - amount;
        _transfer(from, to, amount);
    }

    function _transfer(address from, address to, uint256 amount) private {
        require(!paused && !isBarred[from]);
        require(balanceOf[from] >= amount);
        balanceOf[from] -= amount;
        balanceOf[to] += amount;
    }
}
