// Generated from contracts/src/test/UsdtToken.sol by contracts/build.ts. Do not edit.
export const usdtTokenAbi = [
  {
    "inputs": [
      {
        "internalType": "uint8",
        "name": "decimals_",
        "type": "uint8"
      }
    ],
    "stateMutability": "nonpayable",
    "type": "constructor"
  },
  {
    "inputs": [
      {
        "internalType": "address",
        "name": "owner",
        "type": "address"
      },
      {
        "internalType": "address",
        "name": "spender",
        "type": "address"
      }
    ],
    "name": "allowance",
    "outputs": [
      {
        "internalType": "uint256",
        "name": "amount",
        "type": "uint256"
      }
    ],
    "stateMutability": "view",
    "type": "function"
  },
  {
    "inputs": [
      {
        "internalType": "address",
        "name": "spender",
        "type": "address"
      },
      {
        "internalType": "uint256",
        "name": "amount",
        "type": "uint256"
      }
    ],
    "name": "approve",
    "outputs": [],
    "stateMutability": "nonpayable",
    "type": "function"
  },
  {
    "inputs": [
      {
        "internalType": "address",
        "name": "owner",
        "type": "address"
      }
    ],
    "name": "balanceOf",
    "outputs": [
      {
        "internalType": "uint256",
        "name": "balance",
        "type": "uint256"
      }
    ],
    "stateMutability": "view",
    "type": "function"
  },
  {
    "inputs": [],
    "name": "decimals",
    "outputs": [
      {
        "internalType": "uint8",
        "name": "",
        "type": "uint8"
      }
    ],
    "stateMutability": "view",
    "type": "function"
  },
  {
    "inputs": [
      {
        "internalType": "address",
        "name": "account",
        "type": "address"
      }
    ],
    "name": "isBarred",
    "outputs": [
      {
        "internalType": "bool",
        "name": "isBarred",
        "type": "bool"
      }
    ],
    "stateMutability": "view",
    "type": "function"
  },
  {
    "inputs": [
      {
        "internalType": "address",
        "name": "to",
        "type": "address"
      },
      {
        "internalType": "uint256",
        "name": "amount",
        "type": "uint256"
      }
    ],
    "name": "mint",
    "outputs": [],
    "stateMutability": "nonpayable",
    "type": "function"
  },
  {
    "inputs": [],
    "name": "name",
    "outputs": [
      {
        "internalType": "string",
        "name": "",
        "type": "string"
      }
    ],
    "stateMutability": "view",
    "type": "function"
  },
  {
    "inputs": [],
    "name": "paused",
    "outputs": [
      {
        "internalType": "bool",
        "name": "",
        "type": "bool"
      }
    ],
    "stateMutability": "view",
    "type": "function"
  },
  {
    "inputs": [
      {
        "internalType": "address",
        "name": "account",
        "type": "address"
      },
      {
        "internalType": "bool",
        "name": "barred",
        "type": "bool"
      }
    ],
    "name": "setBarred",
    "outputs": [],
    "stateMutability": "nonpayable",
    "type": "function"
  },
  {
    "inputs": [
      {
        "internalType": "bool",
        "name": "paused_",
        "type": "bool"
      }
    ],
    "name": "setPaused",
    "outputs": [],
    "stateMutability": "nonpayable",
    "type": "function"
  },
  {
    "inputs": [],
    "name": "symbol",
    "outputs": [
      {
        "internalType": "string",
        "name": "",
        "type": "string"
      }
    ],
    "stateMutability": "view",
    "type": "function"
  },
  {
    "inputs": [
      {
        "internalType": "address",
        "name": "to",
        "type": "address"
      },
      {
        "internalType": "uint256",
        "name": "amount",
        "type": "uint256"
      }
    ],
    "name": "transfer",
    "outputs": [],
    "stateMutability": "nonpayable",
    "type": "function"
  },
  {
    "inputs": [
      {
        "internalType": "address",
        "name": "from",
        "type": "address"
      },
      {
        "internalType": "address",
        "name": "to",
        "type": "address"
      },
      {
        "internalType": "uint256",
        "name": "amount",
        "type": "uint256"
      }
    ],
    "name": "transferFrom",
    "outputs": [],
    "stateMutability": "nonpayable",
    "type": "function"
  }
] as const;

export const usdtTokenBytecode = '0x60a034606057601f61093538819003918201601f19168301916001600160401b038311848410176064578084926020946040528339810103126060575160ff811681036060576080526040516108bc908161007982396080518161040c0152f35b5f80fd5b634e487b7160e01b5f52604160045260245ffdfe60806040526004361015610011575f80fd5b5f3560e01c806306fdde03146106b6578063095ea7b31461060857806316c38b3c1461059b57806323b872dd146104985780632ddc7dd014610430578063313ce567146103d55780633eb7ad4d1461033f57806340c10f19146102d75780635c975abb1461029757806370a082311461023557806395d89b411461017e578063a9059cbb146101385763dd62ed3e146100a8575f80fd5b346101345760407ffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffc360112610134576100df610780565b73ffffffffffffffffffffffffffffffffffffffff6100fc6107a3565b91165f52600160205273ffffffffffffffffffffffffffffffffffffffff60405f2091165f52602052602060405f2054604051908152f35b5f80fd5b346101345760407ffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffc3601126101345761017c610172610780565b602435903361080d565b005b34610134575f7ffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffc36011261013457604051604081019080821067ffffffffffffffff8311176102085761020491604052600481527f5553445800000000000000000000000000000000000000000000000000000000602082015260405191829182610738565b0390f35b7f4e487b71000000000000000000000000000000000000000000000000000000005f52604160045260245ffd5b346101345760207ffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffc3601126101345773ffffffffffffffffffffffffffffffffffffffff610281610780565b165f525f602052602060405f2054604051908152f35b34610134575f7ffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffc36011261013457602060ff600354166040519015158152f35b346101345760407ffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffc3601126101345773ffffffffffffffffffffffffffffffffffffffff610323610780565b165f525f60205260405f2061033b6024358254610800565b9055005b346101345760407ffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffc36011261013457610376610780565b602435908115158092036101345773ffffffffffffffffffffffffffffffffffffffff165f52600260205260405f209060ff7fffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff0083541691161790555f80f35b34610134575f7ffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffc36011261013457602060405160ff7f0000000000000000000000000000000000000000000000000000000000000000168152f35b346101345760207ffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffc3601126101345773ffffffffffffffffffffffffffffffffffffffff61047c610780565b165f526002602052602060ff60405f2054166040519015158152f35b346101345760607ffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffc360112610134576104cf610780565b6104d76107a3565b6044359073ffffffffffffffffffffffffffffffffffffffff831692835f52600160205260405f2073ffffffffffffffffffffffffffffffffffffffff33165f5260205260405f2054938385106101345784847fffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff61017c970361055d575b50505061080d565b610566916107c6565b905f52600160205260405f2073ffffffffffffffffffffffffffffffffffffffff33165f5260205260405f2055848084610555565b346101345760207ffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffc360112610134576004358015158091036101345760ff7fffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff00600354169116176003555f80f35b346101345760407ffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffc3601126101345761063f610780565b6024359081158015610682575b1561013457335f52600160205273ffffffffffffffffffffffffffffffffffffffff60405f2091165f5260205260405f20555f80f35b50335f52600160205260405f2073ffffffffffffffffffffffffffffffffffffffff82165f5260205260405f20541561064c565b34610134575f7ffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffc36011261013457604051604081019080821067ffffffffffffffff8311176102085761020491604052600b81527f5465746865722d6c696b650000000000000000000000000000000000000000006020820152604051918291825b7fffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffe0601f602060409481855280519182918282880152018686015e5f8582860101520116010190565b6004359073ffffffffffffffffffffffffffffffffffffffff8216820361013457565b6024359073ffffffffffffffffffffffffffffffffffffffff8216820361013457565b919082039182116107d357565b7f4e487b71000000000000000000000000000000000000000000000000000000005f52601160045260245ffd5b919082018092116107d357565b60ff60035416158061088f575b156101345773ffffffffffffffffffffffffffffffffffffffff1690815f525f6020528260405f2054106101345773ffffffffffffffffffffffffffffffffffffffff915f525f60205260405f206108738482546107c6565b9055165f525f60205261088b60405f20918254610800565b9055565b5073ffffffffffffffffffffffffffffffffffffffff81165f52600260205260ff60405f2054161561081a56' as const;
